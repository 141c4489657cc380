using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>One way to train, small enough to be interrupted everywhere: for tests that a run goes on as if it had not been.</summary>
/// <param name="Name">Two words: algorithm and what is added to it.</param>
/// <param name="Options">Without a folder.</param>
internal sealed record RunCase(string Name, VideoAlignmentOptions Options)
{
    /// <summary>Optimizer steps of every case.</summary>
    public const int Steps = 6;

    private static readonly VideoAlignmentOptions s_common = new()
    {
        Steps = Steps,
        LoraRank = 2,
        LearningRate = 0.05,
        BatchSize = 2,
        InferenceSteps = 4,
        StateEvery = 1,
        Seed = 3,
    };

    private static readonly (string Name, VideoAlignmentOptions Options)[] s_algorithms =
    [
        ("last-step", s_common),
        ("random-start", s_common with { GradientWindow = GradientWindow.RandomStart(), RewardFrames = RewardFrames.All }),
        ("low-variance", s_common with { GradientWindow = GradientWindow.LowVariance(2), RewardFrames = RewardFrames.RandomFrames(1), KlWeight = 0.1 }),
        ("drtune", s_common with { GradientWindow = GradientWindow.DrTune([1, 3], 3), Eta = 0.5 }),
        ("ddpo", s_common with
        {
            Algorithm = AlignmentAlgorithm.Ddpo(
                new DdpoOptions { ClipRange = 0.1, SamplesPerRollout = 8, InnerEpochs = 2, TimestepFraction = 0.5, AdvantageMinimum = 3 }),
        }),
        ("dpo", s_common with { Algorithm = AlignmentAlgorithm.DiffusionDpo(new DiffusionDpoOptions { Beta = 50, PairsPerRollout = 5, InnerEpochs = 2 }), }),
    ];

    private static readonly (string Name, Func<VideoAlignmentOptions, VideoAlignmentOptions> Add)[] s_variants =
    [
        ("plain", static options => options),
        ("kept", static options => options with
        {
            EmaDecay = 0.5, KeepBest = true, EarlyStopPatience = 3, HeldOutPrompts = ["a cat", "a dog", "a horse"], HeldOutEvery = 2,
        }),
        ("eight-bit", static options => options with { OptimizerState = OptimizerState.EightBit }),
        ("accumulated", static options => options with { AccumulationSteps = 2 }),
    ];

    /// <summary>Every algorithm with every addition.</summary>
    public static IReadOnlyList<RunCase> All { get; } =
        [
            .. s_algorithms.SelectMany(algorithm => s_variants.Select(variant =>
                new RunCase($"{algorithm.Name} {variant.Name}", variant.Add(algorithm.Options)))),
        ];

    /// <summary>The case of this name.</summary>
    public static RunCase Named(string name) => All.Single(each => each.Name == name);

    public override string ToString() => Name;

    /// <summary>One session of the run, over fakes created as another process would.</summary>
    /// <param name="folder">Its folder; null: none.</param>
    /// <param name="reward">What scores; null: mean brightness.</param>
    /// <param name="change">Of the options.</param>
    /// <param name="prompts">Rows to train on; null: five.</param>
    /// <param name="log">Filled with what is logged.</param>
    /// <param name="model">The base model; null: the tiny one.</param>
    /// <returns>The adapters as a file holds them.</returns>
    public byte[] Fit(
        string? folder, VideoReward? reward = null, Func<VideoAlignmentOptions, VideoAlignmentOptions>? change = null, string[]? prompts = null,
        List<string>? log = null, VideoDiffusionModel? model = null)
    {
        var context = new MLContext();
        context.Log += (_, message) => log?.Add(message.RawMessage);
        IDataView rows = context.Data.LoadFromEnumerable(
            (prompts ?? ["a red circle", "a blue square", "two green rings", "a house", "a tree"])
                .Select(prompt => new PromptRow { Prompt = prompt }).ToList());
        VideoAlignmentOptions options = Options with { RunFolder = folder };
        using VideoDiffusionModel denoiser = model ?? new TinyVideoModel();
        using VideoReward scores = reward ?? new FakeReward();
        using VideoAlignmentTransformer fitted = context.Transforms.AlignVideoDiffusion(
            "Video", "Prompt", denoiser, scores, change?.Invoke(options) ?? options).Fit(rows);
        using var saved = new TemporaryFolder();
        fitted.SaveAdapters(saved.Path("adapters.safetensors"));
        return File.ReadAllBytes(saved.Path("adapters.safetensors"));
    }
}
