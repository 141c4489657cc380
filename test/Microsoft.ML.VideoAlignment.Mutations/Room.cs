namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>Files in which numbers are made.</summary>
/// <param name="Name">As the command line says it.</param>
/// <param name="Files">Files, or folders ending in '/', relative to the library's folder.</param>
/// <param name="Without">Files among them that make no numbers, and what they do instead is checked elsewhere.</param>
internal sealed record Room(string Name, IReadOnlyList<string> Files, IReadOnlyList<string> Without)
{
    /// <summary>Every room that can be asked for.</summary>
    public static IReadOnlyList<Room> All { get; } =
    [
        new("training", ["Algorithms/"],
        [
            // Estimates of memory, counts of work, checks of ranges and contracts, messages.
            "RolloutDryRun", "RewardGradientDryRun", "DdpoDryRun", "DiffusionDpoDryRun", "ShortenedSampling", "MetaSegment", "WorkCount", "RewardContractCheck",
            "TrainingStepException", "IAlgorithm", "RewardGradientAlgorithm", "DdpoAlgorithm", "DiffusionDpoAlgorithm", "RewardGradientOptions", "DdpoOptions",
            "DiffusionDpoOptions", "OptimizerOptions", "MemoryOptions", "ValidationOptions", "RunControl", "VideoAlignmentOptions",

            // The gradient proof is an instrument: faults are put into what it measures, and GradientFaultTests guards it.
            "GradientProof", "GradientInvariants", "GradientCheckOptions", "GradientCheckReport",

            // Evaluation has them.
            "ValidationEvaluator", "RolloutScorer",
        ]),
        new("sampling",
        [
            "Sampling/Denoising.cs", "Sampling/Guidance.cs", "Sampling/GradientPlan.cs", "Sampling/SamplingSettings.cs", "Sampling/SeededNoise.cs",
                "Sampling/SegmentSampler.cs",
            "Sampling/SegmentInputs.cs", "Sampling/FirstFrame.cs", "Sampling/Condition.cs", "Sampling/VideoGenerator.cs",
        ],
        []),
        new("schedulers", ["Schedulers/"], ["SchedulerConfig", "SchedulerFactory"]),
        new("lora", ["Lora/", "Layers/AdaptedProduct.cs", "Layers/AdapterSlot.cs"], ["LoraFormat", "LoraFormatDetector", "LoraOrigin", "LoraFile"]),
        new("rewards", ["Rewards/"],
        [
            "ActionClassificationOptions", "ObjectRemovalOptions", "VJepaOptions", "ClipFiles", "VJepaFile", "PreferenceFile", "TransformersFolder",
                "ContractJson", "RewardContract",
            "RewardContractException", "VitConfig", "VitKeys", "VJepaConfig", "VideoMaeConfig", "YolosConfig", "TorchScriptReward", "RewardShapes",
        ]),
        new("evaluation",
        [
            "MLNet/VideoAlignmentEvaluator.cs", "MLNet/VideoAlignmentMetrics.cs", "Tensors/RunningMoments.cs",
            "Algorithms/Abstractions/ValidationEvaluator.cs", "Algorithms/Abstractions/RolloutScorer.cs",
        ],
        []),
    ];

    /// <summary>Folders of tests that may see the faults, relative to the test project.</summary>
    public static IReadOnlyList<string> TestFolders { get; } =
        ["Algorithms", "Sampling", "Models", "Schedulers", "Lora", "Layers", "Rewards", "Tensors", "MLNet", "Conformance", "Door", "Video", "Runs"];

    /// <summary>Tests whose work is done by other processes, which have no faults.</summary>
    public static IReadOnlyList<string> TestsElsewhere { get; } = ["KillTests"];

    /// <summary>Whether the room has this file.</summary>
    /// <param name="file">Relative to the library's folder, with forward slashes.</param>
    public bool Has(string file) =>
        Files.Any(known => known.EndsWith('/') ? file.StartsWith(known, StringComparison.Ordinal) : file == known)
            && !Without.Contains(Path.GetFileNameWithoutExtension(file));
}
