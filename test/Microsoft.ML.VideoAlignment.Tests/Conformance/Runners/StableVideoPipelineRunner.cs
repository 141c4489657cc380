using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// S12, Stable Video Diffusion part: a whole folder, images in, frames out, one clip or a video of several, and the gradient of the whole chain.
/// </summary>
internal sealed class StableVideoPipelineRunner : IConformanceRunner
{
    public string Suite => "S12-pipelines";

    public IReadOnlyCollection<string> Kinds => ["diffusers.StableVideoDiffusionPipeline", "svd.autoregressive"];

    public void Run(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        JsonElement weights = testCase.Json.GetProperty("weights")[0];
        using VideoDiffusionModel model = new VideoDiffusionModel(StableVideoDiffusionModel.FromFolder(
            testCase.PathOf(weights.GetProperty("file").GetString()!), arguments.TryGetProperty("variant", out JsonElement variant) ? variant.GetString()
                : null, CaseDevice.Placement));
        model.FramesPerDecode = arguments.TryGetProperty("decode_chunk_size", out JsonElement chunk) && chunk.ValueKind == JsonValueKind.Number
            ? chunk.GetInt32() : null;
        Tensor Parameter(string key)
        {
            int dot = key.IndexOf('.', StringComparison.Ordinal);
            return model.Networks[key[..dot]].state_dict()[key[(dot + 1)..]];
        }

        testCase.RequireParameterGradients(Parameter);
        if (testCase.Kind == "svd.autoregressive")
        {
            RunVideo(testCase, model, Parameter);
        }
        else
        {
            RunClip(testCase, model, Parameter);
        }
    }

    private static void RunClip(ConformanceCase testCase, VideoDiffusionModel model, Func<string, Tensor> parameter)
    {
        SamplingSettings sampling = Settings(testCase, model);
        Tensor given = testCase.Input("image"), latents = testCase.Input("latents"), noise = testCase["in.noise.augmentation"];
        VideoRequest request = Request(sampling, given, noise);
        Condition condition = model.Encode(request);
        Condition? unconditional = model.GuidanceActs(sampling.GuidanceScale) ? model.EncodeUnconditional(request, condition) : null;
        using Condition both = unconditional is null ? condition.Map(tensor => tensor.alias()) : Condition.Stack(unconditional, condition);
        ISampler sampler = model.CreateSampler(sampling);
        Tensor start = latents.transpose(1, 2).Mul(sampler.InitialNoiseSigma);
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            ["image_embeddings"] = both.Text,
            ["conditioning_image"] = StableVideoDiffusionConditioner.WithNoise(request.Images!, noise, sampling.NoiseAugmentation),
            ["image_latents"] = both.ImageLatents!,
            ["added_time_ids"] = both.Scalars!,
            ["timesteps"] = tensor(sampler.Timesteps.Select(t => (float)t).ToArray()),
            ["sigmas"] = tensor(((EulerDiscreteScheduler.Sampler)sampler).Sigmas.Select(sigma => (float)sigma).ToArray()),
        };
        if (testCase.Find("out.unet_input.0") is not null)
        {
            Tensor scaled = sampler.ScaleInput(unconditional is null ? start : cat([start, start]), 0).detach();
            Tensor image = both.ImageLatents!.unsqueeze(2).expand(-1, -1, scaled.shape[2], -1, -1);
            outputs["unet_input.0"] = cat([scaled, image], dim: 1).transpose(1, 2).detach();
            outputs["unet_output.0"] = model.Predict(scaled, sampler.Timesteps[0], both).transpose(1, 2).detach();
        }

        int steps = sampler.Timesteps.Count;
        using var guidance = new Guidance(model, condition, unconditional, sampling);
        Tensor final = Denoising.Run(
            sampler, start, guidance.Predict, Plan(testCase, steps),
            onStep: step => outputs[$"latents.{step.Index}"] = step.Result.Sample.detach().transpose(1, 2).clone().DetachFromDisposeScope());
        outputs["latents"] = final.transpose(1, 2);
        outputs["decoded"] = model.Decode(final, sampling.Size.Frames);
        outputs["frames"] = UnitRange.FromSigned(outputs["decoded"]).transpose(1, 2);
        foreach (string name in outputs.Keys.Where(name => testCase.Find($"out.{name}") is null).ToList())
        {
            outputs.Remove(name);
        }

        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor> { ["image"] = given, ["latents"] = latents }, parameter);
    }

    private static void RunVideo(ConformanceCase testCase, VideoDiffusionModel model, Func<string, Tensor> parameter)
    {
        SamplingSettings sampling = Settings(testCase, model) with { SegmentCount = testCase.Arguments.GetProperty("clips").GetInt32() };
        bool carry = !testCase.Arguments.GetProperty("detach_condition").GetBoolean();
        ISampler sampler = model.CreateSampler(sampling);
        Tensor given = testCase.Input("image");
        var chain = new SegmentSampler(model, sampling, sampler, adapters: null);
        var frames = new List<Tensor>();
        chain.Run(Begin, Finish);
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor> { ["frames"] = cat(frames, dim: 2).transpose(1, 2) }, new Dictionary<string, Tensor> { ["image"] = given },
                parameter);

        SegmentInputs Begin(int index, Tensor? image)
        {
            VideoRequest request = Request(sampling, image ?? given, testCase[$"in.noise.augmentation.{index}"]);
            Condition condition = model.Encode(request);
            return new SegmentInputs
            {
                Condition = condition,
                Unconditional = model.GuidanceActs(sampling.GuidanceScale) ? model.EncodeUnconditional(request, condition) : null,
                Start = testCase[$"in.latents.{index}"].transpose(1, 2).Mul(sampler.InitialNoiseSigma),
                Noise = _ => throw new InvalidOperationException("nothing is drawn"),
                Plan = Plan(testCase, sampler.Timesteps.Count),
            };
        }

        Tensor? Finish(int index, Tensor latents)
        {
            frames.Add(UnitRange.FromSigned(chain.DecodeForReward(latents, [.. Enumerable.Range(0, sampling.Size.Frames)])).MoveToOuterDisposeScope());
            return chain.LastFrame(latents, carry);
        }
    }

    private static GradientPlan Plan(ConformanceCase testCase, int steps)
    {
        int withGradient = testCase.Arguments.GetProperty("gradient_steps").GetInt32();
        return withGradient == 0 ? GradientPlan.None(steps) : GradientPlan.Suffix(steps, steps - withGradient);
    }

    internal static VideoRequest Request(SamplingSettings sampling, Tensor given, Tensor noise) => new()
    {
        Prompts = [.. Enumerable.Repeat("", (int)given.shape[0])],
        Size = sampling.Size,
        Images = given.is_floating_point() ? given : given.to_type(ScalarType.Float32).Div(255),
        FramesPerSecond = sampling.FramesPerSecond,
        MotionBucketId = sampling.MotionBucketId,
        NoiseAugmentation = sampling.NoiseAugmentation,
        Noise = _ => noise.alias(),
    };

    internal static SamplingSettings Settings(ConformanceCase testCase, VideoDiffusionModel model)
    {
        JsonElement arguments = testCase.Arguments;
        SamplingDefaults usual = model.DefaultSampling;
        double Number(string name, double absent) =>
            arguments.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : absent;
        return new SamplingSettings
        {
            Size = new VideoSize(
                (int)Number("num_frames", model.DefaultSize.Frames), (int)Number("height", model.DefaultSize.Height),
                    (int)Number("width", model.DefaultSize.Width)),
            Steps = (int)Number("num_inference_steps", usual.Steps),
            Sigmas = arguments.TryGetProperty("sigmas", out JsonElement sigmas) && sigmas.ValueKind == JsonValueKind.Array
                ? [.. sigmas.EnumerateArray().Select(sigma => sigma.GetDouble())]
                : null,
            GuidanceScale = Number("max_guidance_scale", usual.GuidanceScale),
            MinGuidanceScale = Number("min_guidance_scale", usual.MinGuidanceScale!.Value),
            FramesPerSecond = Number("fps", usual.FramesPerSecond),
            MotionBucketId = Number("motion_bucket_id", usual.MotionBucketId),
            NoiseAugmentation = Number("noise_aug_strength", usual.NoiseAugmentation),
        };
    }
}
