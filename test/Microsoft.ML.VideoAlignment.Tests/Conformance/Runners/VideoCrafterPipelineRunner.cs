using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S12, VideoCrafter part: a whole checkpoint, token ids in, frames out.</summary>
internal sealed class VideoCrafterPipelineRunner : IConformanceRunner
{
    public string Suite => "S12-pipelines";

    public IReadOnlyCollection<string> Kinds => ["lvdm.text-to-video"];

    public void Run(ConformanceCase testCase)
    {
        using VideoDiffusionModel model = VideoCrafterCase.Load(testCase);
        SamplingSettings sampling =
            VideoCrafterCase.Sampling(testCase, testCase["in.x_T"].shape, testCase.Arguments.GetProperty("unconditional_guidance_scale").GetDouble());
        Condition condition = VideoCrafterCase.Condition(testCase, model, testCase["in.tokens"], sampling.Size);
        Condition? unconditional = testCase.Find("in.uncond_tokens") is { } without ? VideoCrafterCase.Condition(testCase, model, without, sampling.Size)
            : null;
        Assert.That(model.LatentShape((int)testCase["in.x_T"].shape[0], sampling.Size), Is.EqualTo(testCase["in.x_T"].shape),
            "shape of the latents for this size");

        ISampler sampler = model.CreateSampler(sampling);
        Assert.That(sampler.Timesteps, Has.Count.EqualTo(testCase.Arguments.GetProperty("steps").GetInt32()), $"{testCase}: steps");
        Tensor start = testCase.Input("x_T");
        using var guidance = new Guidance(model, condition, model.GuidanceActs(sampling.GuidanceScale) ? unconditional : null, sampling);
        var (xs, cleans) = (new List<Tensor>(), new List<Tensor>());
        Tensor latents = Denoising.Run(
            sampler, start, guidance.Predict, GradientPlan.Suffix(sampler.Timesteps.Count, start: 0), noise: step => testCase["in.noise"][step],
            onStep: step =>
            {
                xs.Add(step.Result.Sample.detach().clone().DetachFromDisposeScope());
                cleans.Add(step.Result.Predicted.detach().clone().DetachFromDisposeScope());
            });
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            ["context"] = condition.Text,
            ["x"] = stack(xs),
            ["pred_x0"] = stack(cleans),
            ["latents"] = latents,
            ["frames"] = model.Decode(latents, sampling.Size.Frames),
        };
        if (unconditional is not null)
        {
            outputs["uncond_context"] = unconditional.Text;
        }

        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["x_T"] = start });
    }
}

/// <summary>What the S12 and S15 cases of VideoCrafter share.</summary>
internal static class VideoCrafterCase
{
    public static VideoDiffusionModel Load(ConformanceCase testCase)
    {
        JsonElement weights = testCase.Json.GetProperty("weights")[0];
        var files = new VideoCrafterFiles(
            testCase.PathOf(weights.GetProperty("file").GetString()!), testCase.PathOf(testCase.Arguments.GetProperty("config_file").GetString()!));
        return new VideoDiffusionModel(VideoCrafterModel.Load(files.Checkpoint, files, tokenizer: null, CaseDevice.Placement));
    }

    /// <summary>latents: [B, c, T, h, w].</summary>
    public static SamplingSettings Sampling(ConformanceCase testCase, long[] latents, double guidance)
    {
        int factor = 1 << (testCase.Config.GetProperty("params").GetProperty("first_stage_config").GetProperty("params").GetProperty("ddconfig")
            .GetProperty("ch_mult").GetArrayLength() - 1);
        return new SamplingSettings
        {
            Size = new VideoSize((int)latents[^3], (int)latents[^2] * factor, (int)latents[^1] * factor),
            Steps = testCase.Arguments.GetProperty("S").GetInt32(),
            GuidanceScale = guidance,
            Eta = testCase.Arguments.GetProperty("eta").GetDouble(),
        };
    }

    /// <summary>Token ids [B, L] and the case's frames per second, which differ between rows.</summary>
    public static Condition Condition(ConformanceCase testCase, VideoDiffusionModel model, Tensor ids, VideoSize size) =>
        new() { Text = ((OpenClipPromptEncoder)model.Prompts).Encode(ids), Scalars = testCase["in.fps"].unsqueeze(1).to_type(ScalarType.Float32), Size = size };
}
