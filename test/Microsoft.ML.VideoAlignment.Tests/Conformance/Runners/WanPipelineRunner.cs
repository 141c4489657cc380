using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S20: a whole folder, prompts and images in, frames out, and the gradient of the whole chain, text encoder included.</summary>
internal sealed class WanPipelineRunner : IConformanceRunner
{
    public string Suite => "S20-wan-pipelines";

    public IReadOnlyCollection<string> Kinds => ["diffusers.WanPipeline", "diffusers.WanImageToVideoPipeline"];

    public void Run(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        using VideoDiffusionModel model = Load(testCase);
        Tensor Parameter(string key) => FindParameter(model, key);
        testCase.RequireParameterGradients(Parameter);
        SamplingSettings sampling = Sampling(arguments);
        string[] prompts = Texts(arguments.GetProperty("prompt"), count: 1);
        Tensor latents = testCase.Input("latents");
        Assert.That(model.SizeFault(sampling.Size), Is.Null);
        Assert.That(model.LatentShape(prompts.Length, sampling.Size), Is.EqualTo(latents.shape), "shape of the latents for this size");

        Tensor[] images =
        [
            .. new[] { "in.image", "in.last_image" }.Select(testCase.Find).OfType<Tensor>().Select(image => image.to_type(ScalarType.Float32) / 255),
        ];
        VideoPrompt[] texts = [.. prompts.Select(prompt => (VideoPrompt)prompt)];
        VideoRequest request = sampling.Request(texts, _ => throw new InvalidOperationException("nothing is drawn")) with
        {
            References = [.. prompts.Select(_ => images.Select(image => (Func<Tensor>)(() => image.squeeze(0))).ToArray())],
        };
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        Condition condition = Encode(model, request, prompts, "", outputs);
        Condition? unconditional = null;
        if (model.GuidanceActs(sampling.GuidanceScale))
        {
            string[] negative = Texts(arguments.GetProperty("negative_prompt"), prompts.Length);
            unconditional = model.EncodeUnconditional(request, condition, other => Encode(model, other, negative, "negative_", outputs));
        }

        AddImages(model, images, condition, outputs);
        Sample(testCase, model, sampling, condition, unconditional, latents, outputs);
        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor> { ["latents"] = latents }, Parameter);
    }

    private static Condition Encode(VideoDiffusionModel model, VideoRequest request, string[] texts, string prefix, Dictionary<string, Tensor> outputs)
    {
        (Tensor ids, Tensor mask, _) = Text(model).Tokens([.. texts.Select(PromptText.Clean)]);
        int length = Text(model).Length;
        (outputs[$"{prefix}input_ids"], outputs[$"{prefix}attention_mask"]) = (T5States.PadMask(ids, length), T5States.PadMask(mask, length));
        Condition condition = model.Encode(request with { Prompts = texts });
        outputs[$"{prefix}prompt_embeds"] = condition.Text;
        return condition;
    }

    private static void AddImages(VideoDiffusionModel model, Tensor[] images, Condition condition, Dictionary<string, Tensor> outputs)
    {
        if (condition.ImageLatents is { } given)
        {
            outputs["condition"] = condition.FrameMask is null ? given : given.narrow(2, 0, 1);
        }

        if (condition.ImageStates is { } states)
        {
            outputs["pixel_values"] = cat([.. images.Select(((WanConditioner)model.Parts.Conditioner).ImageEncoder!.Processor.Apply)]);
            outputs["image_embeds"] = states.unflatten(1, [images.Length, -1]).flatten(0, 1);
        }
    }

    private static void Sample(
        ConformanceCase testCase, VideoDiffusionModel model, SamplingSettings sampling, Condition condition, Condition? unconditional, Tensor latents,
        Dictionary<string, Tensor> outputs)
    {
        ISampler sampler = model.CreateSampler(sampling);
        double[] timesteps = [.. sampler.Timesteps];
        outputs["timesteps"] = tensor(timesteps).to_type(testCase["out.timesteps"].dtype);
        outputs["sigmas"] = tensor(Sigmas(sampler).Select(sigma => (float)sigma).ToArray());
        outputs["expert"] = tensor(timesteps.Select(timestep => model.ExpertAt(timestep) + 1L).ToArray());
        outputs["timestep_input"] = stack([.. timesteps.Select(timestep => TokenTimes(timestep, condition, latents.shape))]);

        using var guidance = new Guidance(model, condition, unconditional, sampling);
        Tensor Predict(Tensor input, double timestep)
        {
            outputs["network_input_last"] = WanDenoiser.NetworkInput(input, condition).DetachFromDisposeScope();
            return guidance.Predict(input, timestep);
        }

        Tensor last = Denoising.Run(
            sampler, model.Begin(latents * sampler.InitialNoiseSigma, condition), Predict, GradientPlan.Suffix(sampling.Steps, start: 0),
            onStep: step => outputs[$"latents.{step.Index}"] = step.Result.Sample.detach().clone().DetachFromDisposeScope());
        outputs[$"latents.{sampling.Steps - 1}"] = last;
        outputs["latents"] = model.Finish(last, condition);
        outputs["decoded"] = model.Decode(outputs["latents"], sampling.Size.Frames);
        outputs["frames"] = UnitRange.FromSigned(outputs["decoded"]).permute(0, 2, 3, 4, 1);
    }

    private static VideoDiffusionModel Load(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        ModelParts parts = WanModel.FromFolder(
            testCase.PathOf(testCase.Json.GetProperty("weights")[0].GetProperty("file").GetString()!), variant: null, CaseDevice.Placement,
            arguments.GetProperty("max_sequence_length").GetInt32(), TextEncoderLoading.Memory);
        if (!arguments.TryGetProperty("scheduler", out JsonElement name))
        {
            return new VideoDiffusionModel(parts);
        }

        JsonNode config = JsonNode.Parse(arguments.GetProperty("scheduler_config").GetRawText())!;
        config["_class_name"] = name.GetString();
        return new VideoDiffusionModel(parts with { Samplers = new ConfiguredSamplers(JsonSerializer.SerializeToElement(config)) });
    }

    private static T5PromptEncoder Text(VideoDiffusionModel model) =>
        (T5PromptEncoder)((WanPromptEncoder)((WanConditioner)model.Parts.Conditioner).TextEncoder).Inner;

    private static Tensor FindParameter(VideoDiffusionModel model, string key)
    {
        int dot = key.IndexOf('.', StringComparison.Ordinal);
        string part = key[..dot], name = key[(dot + 1)..];
        return part switch
        {
            "text_encoder" => ((T5Encoder)Text(model).Encoder).state_dict()[name],
            "vae" => model.Networks[part].state_dict()[WanVaeKeys.CreateMap(((WanDecoder)model.Parts.Decoder).Autoencoder.Config).MapName(name)!],
            _ when model.Denoiser is WanExperts => model.Denoiser.state_dict()[key],
            _ => model.Networks[part].state_dict()[name],
        };
    }

    /// <summary>The time of every token [B, N], which are ordered frame, row, column.</summary>
    private static Tensor TokenTimes(double timestep, Condition condition, long[] latents)
    {
        long tokens = latents[2] * (latents[3] / 2) * (latents[4] / 2);
        Tensor times = WanDenoiser.NetworkTimes(tensor(new[] { (float)timestep }, device: condition.Text.device), condition);
        times = times.view(times.shape[0], -1);
        return times.expand(latents[0], -1).repeat_interleave(tokens / times.shape[1], 1);
    }

    private static IReadOnlyList<double> Sigmas(ISampler sampler) => sampler switch
    {
        FlowMatchEulerDiscreteScheduler.Sampler flow => flow.Sigmas,
        UniPCMultistepScheduler.Sampler uniPC => uniPC.Sigmas,
        _ => throw new NotSupportedException($"The sigmas of {sampler.GetType()} are not known here."),
    };

    private static SamplingSettings Sampling(JsonElement arguments)
    {
        int Integer(string name) => arguments.GetProperty(name).GetInt32();
        return new SamplingSettings
        {
            Size = new VideoSize(Integer("num_frames"), Integer("height"), Integer("width")),
            Steps = Integer("num_inference_steps"),
            GuidanceScale = arguments.GetProperty("guidance_scale").GetDouble(),
            LowNoiseGuidanceScale = ConfigJson.Find(arguments, "guidance_scale_2")?.GetDouble(),
        };
    }

    private static string[] Texts(JsonElement value, int count) => value.ValueKind switch
    {
        JsonValueKind.Null => [.. Enumerable.Repeat("", count)],
        JsonValueKind.String => [.. Enumerable.Repeat(value.GetString()!, count)],
        _ => [.. value.EnumerateArray().Select(text => text.GetString()!)],
    };
}
