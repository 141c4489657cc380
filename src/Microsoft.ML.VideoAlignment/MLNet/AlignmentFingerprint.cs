using System.Security.Cryptography;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Collects everything besides its state that decides what an alignment computes. Left out is what changes no number (callbacks, folders, columns, where
/// memory is saved) and <see cref="OptimizerOptions.Steps"/>, which may grow.
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
        LoraOptions lora = run.Options.Lora;
        IReadOnlyList<AdaptableLayer> layers = run.LoraTargets.Select(run.Model.Denoiser);
        yield return Fact("LoRA", nameof(lora.Rank), lora.Rank, FactChange.Breaks);
        yield return Fact("LoRA", nameof(lora.Alpha), lora.Alpha, FactChange.Breaks);
        yield return new RunFact(
            "LoRA", "Layers", $"{layers.Count} by {run.LoraTargets} ({FactText.Hash(layers.Select(layer => layer.Name))})", FactChange.Breaks);
    }

    // What is left of a rollout was sampled under the algorithm's old options: only where the reward's gradient is followed can a run go on with it.
    private static IEnumerable<RunFact> Algorithm(AlignmentRun run) =>
    [
        Fact("algorithm", "Algorithm", run.Algorithm.Name, FactChange.Breaks),
        .. Facts("algorithm", run.Algorithm.Options, run.Algorithm.NeedsRewardGradient ? FactChange.Continues : FactChange.Remeasures),
    ];

    private static IEnumerable<RunFact> Optimizer(AlignmentRun run)
    {
        OptimizerOptions optimizer = run.Options.Optimizer;
        yield return Fact("optimizer", nameof(optimizer.State), optimizer.State, FactChange.Breaks);
        yield return Fact("optimizer", nameof(optimizer.Schedule), optimizer.Schedule.Describe(optimizer.Steps));
        foreach ((string name, object? value) in new (string, object?)[]
        {
            (nameof(optimizer.LearningRate), optimizer.LearningRate), (nameof(optimizer.WeightDecay), optimizer.WeightDecay),
            (nameof(optimizer.Beta1), optimizer.Beta1), (nameof(optimizer.Beta2), optimizer.Beta2), (nameof(optimizer.Epsilon), optimizer.Epsilon),
            (nameof(optimizer.MaxGradientNorm), optimizer.MaxGradientNorm), (nameof(optimizer.BatchSize), optimizer.BatchSize),
            (nameof(optimizer.AccumulationSteps), optimizer.AccumulationSteps), (nameof(optimizer.EmaDecay), optimizer.EmaDecay),
        })
        {
            yield return Fact("optimizer", name, value);
        }
    }

    private static IEnumerable<RunFact> Options(AlignmentRun run)
    {
        VideoAlignmentOptions options = run.Options;
        RunPrecision precision = run.Training.Precision;
        yield return Fact("options", OptionFaults.Name(options.Memory.Precision), precision.Denoiser, FactChange.Remeasures);
        yield return Fact("options", OptionFaults.Name(options.Memory.DecoderPrecision), precision.Decoder, FactChange.Remeasures);
        yield return Fact("options", OptionFaults.Name(options.Memory.RewardPrecision), precision.Reward, FactChange.Remeasures);
        yield return Fact("options", OptionFaults.Name(options.Memory.TensorFloat32), options.Memory.TensorFloat32, FactChange.Remeasures);
        foreach ((string name, object? value) in new (string, object?)[]
        {
            (OptionFaults.Name(options.Reward.Frames), run.Training.Frames), (OptionFaults.Name(options.Reward.Loss), run.Training.Loss),
            (OptionFaults.Name(options.Memory.FramesPerDecode), options.Memory.FramesPerDecode),
            (OptionFaults.Name(options.Validation.KeepBest), options.Validation.KeepBest),
            (OptionFaults.Name(options.Validation.EarlyStopPatience), options.Validation.EarlyStopPatience),
            (OptionFaults.Name(options.Validation.Every), options.Validation.Every),
        })
        {
            yield return Fact("options", name, value);
        }
    }

    private static IEnumerable<RunFact> Sampling(AlignmentRun run) =>
    [
        .. Facts("sampling", run.Training.Sampling, FactChange.Remeasures),
        Fact("sampling", nameof(VideoAlignmentOptions.Seed), run.Seed, FactChange.Remeasures),
    ];

    // What a reward remembers of its use is state, not identity.
    private static IEnumerable<RunFact> Reward(AlignmentRun run)
    {
        VideoReward reward = run.Reward;
        yield return Fact("reward", "Name", reward.Name, FactChange.Remeasures);
        yield return Fact("reward", "Contract", reward.Contract, FactChange.Remeasures);
        // The weights of a sum are in its name.
        yield return Fact("reward", "Made from", RewardMix.PlainParts(reward).Select(Identify).ToArray(), FactChange.Remeasures);
    }

    private static IEnumerable<RunFact> Data(AlignmentRun run) =>
    [
        new RunFact("data", "Prompts", Rows(run.Prompts), FactChange.Continues),
        new RunFact("validation data", "Prompts", Rows(run.ValidationPrompts), FactChange.Remeasures),
    ];

    private static RunFact Fact(string kind, string name, object? value, FactChange change = FactChange.Continues) =>
        new(kind, name, FactText.Describe(value), change);

    private static IEnumerable<RunFact> Facts(string kind, object record, FactChange change) =>
        FactText.DescribeMembers(record).Select(member => new RunFact(kind, member.Name, member.Text, change));

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
