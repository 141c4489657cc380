namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A source without the names that wrappers of a training put before every tensor: torch.compile, DDP, FSDP, DeepSpeed.</summary>
internal sealed class UnwrappedWeights : IWeightSource
{
    private static readonly string[] s_wrappers = ["_orig_mod.", "module.", "_forward_module.", "_fsdp_wrapped_module."];

    private readonly IWeightSource _source;
    private readonly string _prefix;

    private UnwrappedWeights(IWeightSource source, string prefix)
    {
        (_source, _prefix) = (source, prefix);
        Entries = source.Entries.ToDictionary(entry => entry.Key[prefix.Length..], entry => entry.Value, StringComparer.Ordinal);
    }

    public string Location => _source.Location;

    public IReadOnlyDictionary<string, WeightInfo> Entries { get; }

    /// <summary>The source itself where not every name begins with a wrapper's; the result owns it.</summary>
    public static IWeightSource Unwrap(IWeightSource source)
    {
        string prefix = "";
        while (s_wrappers.FirstOrDefault(wrapper => source.Entries.Count > 0 && source.Entries.Keys.All(name => name.StartsWith(prefix + wrapper, StringComparison.Ordinal))) is { } wrapper)
        {
            prefix += wrapper;
        }

        return prefix.Length == 0 ? source : new UnwrappedWeights(source, prefix);
    }

    public Tensor Read(string name) => _source.Read(_prefix + name);

    public void ReadInPieces(string name, long unit, Action<Tensor> take) => _source.ReadInPieces(_prefix + name, unit, take);

    public void Dispose() => _source.Dispose();
}
