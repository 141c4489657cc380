using System.Security.Cryptography;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Collects everything besides its state that decides what an alignment computes. Left out is what changes no number (callbacks, folders, columns, where
/// memory is saved) and <see cref="VideoAlignmentOptions.Steps"/>, which may grow.
/// </summary>
internal static class AlignmentFingerprint
{
    /// <summary>Collects the facts of a run.</summary>
    /// <param name="run">The run.</param>
    public static RunFingerprint From(AlignmentRun run) =>
        new([.. Model(run), .. Adapters(run), .. Algorithm(run), .. Optimizer(run), .. Options(run), .. Sampling(run), .. Reward(run), .. Data(run)]);

    private static IEnumerable<RunFact> Model(AlignmentRun run)
    {
        yield return Fact("model", "Family", run.Model.Family, FactChange.Breaks);
        yield return Fact("model", "Weights", Hash(run.Model), FactChange.Breaks);
        IEnumerable<string> dtypes = run.Model.Networks.Values.SelectMany(network => network.parameters()).Select(parameter => $"{parameter.dtype}");
        string[] stored = [.. dtypes.Distinct().Order(StringComparer.Ordinal)];
        yield return Fact("model", "Precision", stored, FactChange.Remeasures);
    }

    private static IEnumerable<RunFact> Adapters(AlignmentRun run)
    {
        VideoAlignmentOptions options = run.Options;
        IReadOnlyList<AdaptableLayer> layers = options.LoraTargetsFor(run.Model).Select(run.Model.Denoiser);
        yield return Fact("LoRA", "LoraRank", options.LoraRank, FactChange.Breaks);
        yield return Fact("LoRA", "LoraAlpha", options.LoraAlpha, FactChange.Breaks);
        yield return new RunFact("LoRA", "Layers",
            $"{layers.Count} by {options.LoraTargetsFor(run.Model)} ({FactText.Hash(layers.Select(layer => layer.Name))})", FactChange.Breaks);
    }

    private static IEnumerable<RunFact> Algorithm(AlignmentRun run) =>
    [
        Fact("algorithm", "Algorithm", run.Options.Algorithm.GetType().Name, FactChange.Breaks),
        .. Facts("algorithm", run.Options.Algorithm),
    ];

    private static IEnumerable<RunFact> Optimizer(AlignmentRun run)
    {
        VideoAlignmentOptions options = run.Options;
        yield return Fact("optimizer", "OptimizerState", options.OptimizerState, FactChange.Breaks);
        foreach ((string name, object value) in new (string, object)[]
        {
            (nameof(options.LearningRate), options.LearningRate), (nameof(options.WeightDecay), options.WeightDecay), (nameof(options.Beta1), options.Beta1),
            (nameof(options.Beta2), options.Beta2), (nameof(options.Epsilon), options.Epsilon),
            (nameof(options.MaxGradientNorm), options.MaxGradientNorm),
        })
        {
            yield return Fact("optimizer", name, value);
        }
    }

    private static IEnumerable<RunFact> Options(AlignmentRun run)
    {
        VideoAlignmentOptions options = run.Options;
        return new (string Name, object? Value)[]
        {
            (nameof(options.GradientWindow), options.Algorithm.NeedsRewardGradient ? run.Window : null), (nameof(options.RewardFrames), run.Frames),
            (nameof(options.CarryGradientAcrossSegments), options.CarryGradientAcrossSegments),
            (nameof(options.FramesPerDecode), options.FramesPerDecode), (nameof(options.Loss), run.Loss), (nameof(options.KlWeight), options.KlWeight),
            (nameof(options.BatchSize), options.BatchSize), (nameof(options.AccumulationSteps), options.AccumulationSteps),
            (nameof(options.EmaDecay), options.EmaDecay), (nameof(options.KeepBest), options.KeepBest),
            (nameof(options.EarlyStopPatience), options.EarlyStopPatience), (nameof(options.HeldOutEvery), options.HeldOutEvery),
        }.Select(option => Fact("options", option.Name, option.Value));
    }

    private static IEnumerable<RunFact> Sampling(AlignmentRun run) =>
    [
        .. Facts("sampling", run.Sampling),
        Fact("sampling", nameof(VideoAlignmentOptions.Seed), run.Seed, FactChange.Remeasures),
    ];

    // What a reward remembers of its use is state, not identity.
    private static IEnumerable<RunFact> Reward(AlignmentRun run)
    {
        VideoReward reward = run.Reward;
        yield return Fact("reward", "Name", reward.Name, FactChange.Remeasures);
        yield return Fact("reward", "Contract", reward.Contract, FactChange.Remeasures);
        yield return Fact("reward", "Made from", Parts(reward).Select(Identify).ToArray(), FactChange.Remeasures);
    }

    private static IEnumerable<RunFact> Data(AlignmentRun run) =>
    [
        new RunFact("data", "Prompts", Rows(run.Prompts), FactChange.Continues),
        new RunFact("held-out data", "Prompts", Rows(run.ValidationPrompts), FactChange.Remeasures),
    ];

    private static RunFact Fact(string kind, string name, object? value, FactChange change = FactChange.Continues) =>
        new(kind, name, FactText.Describe(value), change);

    private static IEnumerable<RunFact> Facts(string kind, object record) =>
        FactText.DescribeMembers(record).Select(member => new RunFact(kind, member.Name, member.Text, FactChange.Remeasures));

    // The plain rewards of a sum; the weights are in the sum's name.
    private static IEnumerable<VideoReward> Parts(VideoReward reward) =>
        reward is RewardMix mix ? mix.Parts.SelectMany(part => Parts(part.Reward)) : [reward];

    // Kind, files by their contents, and arguments; of the caller's own code the type.
    private static string Identify(VideoReward reward)
    {
        try
        {
            RewardReference reference = reward.Reference;
            return FactText.Hash([reference.Kind, .. Pairs(reference.Files.Select(file => (file.Key, file.Value.Sha256))), reference.Settings?.GetRawText()
                ?? "", reference.ContentHash ?? ""]);
        }
        catch (NotSupportedException)
        {
            return reward.GetType().Name;
        }

        static IEnumerable<string> Pairs(IEnumerable<(string Key, string Value)> pairs) =>
            pairs.OrderBy(pair => pair.Key, StringComparer.Ordinal).SelectMany(pair => new[] { pair.Key, pair.Value });
    }

    // The number of rows, and a hash over their texts and images in order.
    private static string Rows(IReadOnlyList<VideoPrompt> rows)
    {
        return $"{rows.Count} rows ({FactText.Hash(rows.SelectMany(row => new[] { row.Text, $"{row.Images.Count}" }.Concat(row.Images.Select(Pixels))))})";

        static string Pixels(Func<Tensor> image)
        {
            using DisposeScope scope = NewDisposeScope();
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            Tensor made = image();
            TensorSlices.CopyTo(made, hash.AppendData);
            return $"{FactText.Describe(made.shape)} {Convert.ToHexStringLower(hash.GetHashAndReset())}";
        }
    }

    // Over the model's files; over its networks where it was not made from files.
    private static string Hash(VideoDiffusionModel model)
    {
        try
        {
            return model.Hash;
        }
        catch (InvalidOperationException)
        {
            using DisposeScope scope = NewDisposeScope();
            Dictionary<string, Tensor> weights = model.Networks
                .SelectMany(network => network.Value.state_dict().Select(pair => (Name: $"{network.Key}/{pair.Key}", pair.Value)))
                .ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.Ordinal);
            using var source = new GatheredTensors(weights);
            return WeightHash.Compute(source);
        }
    }
}
