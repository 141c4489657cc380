using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S12, ModelScope part: a whole folder, prompts in, frames out, and the gradient of the whole chain.</summary>
internal sealed class ModelScopePipelineRunner : IConformanceRunner
{
    public string Suite => "S12-pipelines";

    public IReadOnlyCollection<string> Kinds => ["diffusers.TextToVideoSDPipeline"];

    public void Run(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        using VideoDiffusionModel model = new VideoDiffusionModel(ModelScopeModel.FromFolder(
            testCase.PathOf(testCase.Json.GetProperty("weights")[0].GetProperty("file").GetString()!), Text(arguments, "variant"), CaseDevice.Placement));
        Tensor Parameter(string key)
        {
            int dot = key.IndexOf('.', StringComparison.Ordinal);
            return model.Networks[key[..dot]].state_dict()[key[(dot + 1)..]];
        }

        testCase.RequireParameterGradients(Parameter);
        SamplingSettings sampling = Sampling(arguments);
        string[] prompts = Texts(arguments.GetProperty("prompt"), count: 1);
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            ["input_ids"] = model.Prompts.Tokens(prompts),
        };
        Condition Encode(string[] texts) => model.Encode(sampling.Request([.. texts], _ => throw new InvalidOperationException("nothing is drawn")));
        Condition condition = Encode(prompts);
        outputs["prompt_embeds"] = condition.Text;
        Condition? unconditional = null;
        if (model.GuidanceActs(sampling.GuidanceScale))
        {
            string[] negative = Texts(arguments.GetProperty("negative_prompt"), prompts.Length);
            outputs["negative_input_ids"] = model.Prompts.Tokens(negative);
            unconditional = Encode(negative);
            outputs["negative_prompt_embeds"] = unconditional.Text;
        }

        ISampler sampler = model.CreateSampler(sampling);
        outputs["timesteps"] = tensor(sampler.Timesteps.Select(t => (long)t).ToArray());
        Tensor latents = testCase.Input("latents");
        Assert.That(model.LatentShape(prompts.Length, sampling.Size), Is.EqualTo(latents.shape), "shape of the latents for this size");
        using var guidance = new Guidance(model, condition, unconditional, sampling);
        Tensor final = Denoising.Run(
            sampler, latents * sampler.InitialNoiseSigma, guidance.Predict, GradientPlan.Suffix(sampling.Steps, start: 0),
            noise: step => testCase[$"in.noise.{step}"],
            onStep: step => outputs[$"latents.{step.Index}"] = step.Result.Sample.detach().clone().DetachFromDisposeScope());
        outputs["latents"] = final;
        outputs["decoded"] = model.Decode(final, sampling.Size.Frames);
        outputs["frames"] = UnitRange.FromSigned(outputs["decoded"]).permute(0, 2, 3, 4, 1);
        foreach (string name in outputs.Keys.Where(name => testCase.Find($"out.{name}") is null && name.StartsWith("latents.", StringComparison.Ordinal))
            .ToList())
        {
            outputs.Remove(name);
        }

        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor> { ["latents"] = latents }, Parameter);
    }

    private static SamplingSettings Sampling(JsonElement arguments)
    {
        int Integer(string name) => arguments.GetProperty(name).GetInt32();
        return new SamplingSettings
        {
            Size = new VideoSize(Integer("num_frames"), Integer("height"), Integer("width")),
            Steps = Integer("num_inference_steps"),
            GuidanceScale = arguments.GetProperty("guidance_scale").GetDouble(),
            Eta = arguments.GetProperty("eta").GetDouble(),
            Sampler = Text(arguments, "scheduler"),
        };
    }

    private static string? Text(JsonElement arguments, string name) => arguments.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;

    private static string[] Texts(JsonElement value, int count) => value.ValueKind switch
    {
        JsonValueKind.Null => [.. Enumerable.Repeat("", count)],
        JsonValueKind.String => [.. Enumerable.Repeat(value.GetString()!, count)],
        _ => [.. value.EnumerateArray().Select(text => text.GetString()!)],
    };
}
