using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A complete text-to-video model with random weights, small enough for unit tests: a folder of the conformance cases.</summary>
internal static class TinyModel
{
    public static string Folder => Path.Combine(TestContext.CurrentContext.TestDirectory, "Conformance", "Cases", "S12-pipelines", "modelscope-ddim", "model");

    public static VideoSize Size { get; } = new(3, 16, 16);

    public static VideoDiffusionModel Load() => VideoDiffusionModel.FromPretrained(Folder);

    public static LoraAdapters Adapt(VideoDiffusionModel model, ulong seed = 1)
    {
        using var generator = new Generator(seed);
        return LoraAdapters.Attach(model.Denoiser, model.LoraVocabulary.AttentionQkvOut, rank: 2, alpha: 2, generator);
    }

    /// <summary>Settings of a short run: 3 sampler steps, the last one with gradient, all frames.</summary>
    public static TrainerSettings Settings(int steps = 2, int batch = 1, int accumulation = 1) => new()
    {
        Sampling = new SamplingSettings { Size = Size, Steps = 3, GuidanceScale = 2 },
        Window = GradientWindow.LastSteps(1),
        Frames = RewardFrames.All,
        Loss = RewardLoss.Maximize(),
        Steps = steps,
        BatchSize = batch,
        AccumulationSteps = accumulation,
        LearningRate = 1e-2,
        Seed = 5,
    };

    /// <summary>Mean redness: a reward in one line.</summary>
    public static VideoReward Redness() => VideoRewards.Custom("redness", static (frames, _) => frames.select(1, 0).mean([1, 2, 3]));

    /// <summary>A rollout without anything drawn: by default three steps, the last two with gradient.</summary>
    public static Rollout Fixed(VideoDiffusionModel model, string[] prompts, Tensor start, int[] frames, int steps = 3, int firstWithGradient = 1) => new()
    {
        Prompts = prompts,
        First = new SegmentInputs
        {
            Condition = ConditionOf(model, prompts),
            Unconditional = ConditionOf(model, [.. prompts.Select(_ => "")]),
            Start = start,
            Noise = _ => throw new InvalidOperationException("eta is 0"),
            Plan = GradientPlan.Suffix(steps, firstWithGradient),
        },
        Frames = frames,
    };

    private static Condition ConditionOf(VideoDiffusionModel model, string[] prompts) => model.Encode(new VideoRequest
    {
        Prompts = prompts,
        Size = model.DefaultSize,
        Noise = _ => throw new InvalidOperationException("nothing is drawn"),
    });
}
