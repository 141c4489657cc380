namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Every reader of files and texts that others may have written, with small sound inputs.</summary>
internal static class FuzzReaders
{
    /// <summary>The readers by what they read. Making a list makes the seeds.</summary>
    public static IReadOnlyDictionary<string, Func<IEnumerable<FuzzReader>>> ByKind { get; } = new Dictionary<string, Func<IEnumerable<FuzzReader>>>
    {
        ["weights"] = WeightReaders.All,
        ["configurations"] = ConfigurationReaders.All,
        ["tokenizers"] = TokenizerReaders.All,
        ["LoRA"] = LoraReaders.All,
        ["images"] = ImageReaders.All,
        ["saved models"] = SavedModelReaders.All,
        ["run states"] = RunStateReaders.All,
        ["hub"] = HubReaders.All,
        ["texts"] = TextReaders.All,
    };
}
