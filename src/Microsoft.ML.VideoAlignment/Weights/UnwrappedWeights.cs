namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A source without the prefixes that training wrappers put before every name: torch.compile, DDP, FSDP, DeepSpeed.</summary>
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

    /// <summary>Removes the prefixes; returns the source itself where not every name begins with one.</summary>
    /// <param name="source">The source; the result owns it.</param>
    public static IWeightSource Unwrap(IWeightSource source)
    {
        string prefix = "";
        bool Has(string wrapper) =>
            source.Entries.Count > 0 && source.Entries.Keys.All(name => name.StartsWith(prefix + wrapper, StringComparison.Ordinal));
        while (s_wrappers.FirstOrDefault(Has) is { } wrapper)
        {
            prefix += wrapper;
        }

        return prefix.Length == 0 ? source : new UnwrappedWeights(source, prefix);
    }

    public Tensor Read(string name) => _source.Read(_prefix + name);

    public void ReadInPieces(string name, long unit, Action<Tensor> take) => _source.ReadInPieces(_prefix + name, unit, take);

    public void Dispose() => _source.Dispose();
}
