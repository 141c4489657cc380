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
        Sampling = new() { Steps = 4 },
        Lora = new() { Rank = 2 },
        Optimizer = new() { Steps = Steps, LearningRate = 0.05, BatchSize = 2 },
        Seed = 3,
    };

    private static readonly (string Name, VideoAlignmentOptions Options)[] s_algorithms =
    [
        ("last-step", s_common),
        ("random-start", s_common with
        {
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.RandomStart() }),
            Reward = s_common.Reward with { Frames = RewardFrames.All },
        }),
        ("low-variance", s_common with
        {
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LowVariance(2), KlWeight = 0.1 }),
            Reward = s_common.Reward with { Frames = RewardFrames.RandomFrames(1) },
        }),
        ("drtune", s_common with
        {
            Sampling = s_common.Sampling with { Eta = 0.5 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.DrTune([1, 3], 3) }),
        }),
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
            Optimizer = options.Optimizer with { EmaDecay = 0.5 },
            Validation = options.Validation with { KeepBest = true, EarlyStopPatience = 3, Prompts = ["a cat", "a dog", "a horse"], Every = 2 },
        }),
        ("eight-bit", static options => options with { Optimizer = options.Optimizer with { State = OptimizerState.EightBit } }),
        ("accumulated", static options => options with { Optimizer = options.Optimizer with { AccumulationSteps = 2 } }),
        ("scheduled", static options => options with { Optimizer = options.Optimizer with { Schedule = LearningRateSchedule.Cosine(warmUpSteps: 1) } }),
    ];

    /// <summary>A state after each step.</summary>
    public static RunControl EachStep { get; } = new() { StateEvery = 1 };

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
    /// <param name="control">What watches and interrupts; null: nothing does.</param>
    /// <returns>The adapters as a file holds them.</returns>
    public byte[] Fit(
        string? folder, VideoReward? reward = null, Func<VideoAlignmentOptions, VideoAlignmentOptions>? change = null, string[]? prompts = null,
        List<string>? log = null, VideoDiffusionModel? model = null, RunControl? control = null)
    {
        var context = new MLContext();
        context.Log += (_, message) => log?.Add(message.RawMessage);
        IDataView rows = context.Data.LoadFromEnumerable(
            (prompts ?? ["a red circle", "a blue square", "two green rings", "a house", "a tree"])
                .Select(prompt => new PromptRow { Prompt = prompt }).ToList());
        using VideoDiffusionModel denoiser = model ?? new TinyVideoModel();
        using VideoReward scores = reward ?? new FakeReward();
        using VideoAlignmentTransformer fitted = context.Transforms.AlignVideoDiffusion(
            "Video", "Prompt", denoiser, scores, change?.Invoke(Options) ?? Options, (control ?? EachStep) with { RunFolder = folder }).Fit(rows);
        using var saved = new TemporaryFolder();
        fitted.SaveAdapters(saved.Path("adapters.safetensors"));
        return File.ReadAllBytes(saved.Path("adapters.safetensors"));
    }
}
