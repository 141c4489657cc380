using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>Selects the layers of a network that get adapters, in the two forms of peft's target_modules.</summary>
/// <remarks>
/// A name selects the layer of that module path, or the layers whose path ends with it after a dot; a pattern is a regular expression that must match a whole
/// path.
/// </remarks>
internal sealed record LoraTargets
{
    private readonly string? _pattern;
    private readonly IReadOnlyList<string> _names;

    private LoraTargets(string? pattern, IReadOnlyList<string> names) => (_pattern, _names) = (pattern, names);

    /// <summary>
    /// Every Linear and convolution, with the rank of each layer clamped to the smaller of its inputs and outputs: the layers that VADER's ModelScope script
    /// adapts (lora_version cloneofsimo).
    /// </summary>
    public static LoraTargets AllLayers { get; } = new(null, []) { ClampsRank = true };

    /// <summary>Whether a layer's rank is at most the smaller of its inputs and outputs.</summary>
    public bool ClampsRank { get; private init; }

    public static LoraTargets ByName(params string[] names) =>
        names.Length > 0 && names.All(name => name.Length > 0) ? new(null, names) : throw new ArgumentException("Name at least one layer.", nameof(names));

    public static LoraTargets ByPattern(string pattern) => new(pattern, []);

    public override string ToString() =>
        _pattern is not null ? $"pattern '{_pattern}'" : _names.Count > 0 ? $"names {string.Join(", ", _names)}" : "all layers";

    /// <summary>Whether a module path is a name, or ends with it after a dot.</summary>
    /// <param name="module">Module path.</param>
    /// <param name="name">Name without a leading dot.</param>
    public static bool EndsWith(string module, string name) =>
        module.EndsWith(name, StringComparison.Ordinal) && (module.Length == name.Length || module[module.Length - name.Length - 1] == '.');

    /// <summary>Selects the layers, in the network's order.</summary>
    /// <param name="network">The network to adapt.</param>
    /// <exception cref="ArgumentException">
    /// The pattern, or one of the names, selects nothing; or the pattern is not a regular expression, or takes longer than a second.
    /// </exception>
    public IReadOnlyList<AdaptableLayer> Select(nn.Module network)
    {
        IReadOnlyList<AdaptableLayer> layers = AdaptableLayer.FindAll(network);
        if (_pattern is not null)
        {
            Regex whole = Compile(_pattern, @"\A(?:", @")\z");
            return Require([.. layers.Where(layer => Matches(whole, layer.Name))], $"The LoRA pattern '{_pattern}'");
        }

        foreach (string name in _names)
        {
            Require([.. layers.Where(layer => EndsWith(layer.Name, name))], $"The LoRA target '{name}'");
        }

        return Require([.. layers.Where(layer => _names.Count == 0 || Named(layer))], "The preset of all layers");

        IReadOnlyList<AdaptableLayer> Require(IReadOnlyList<AdaptableLayer> found, string what)
        {
            if (found.Count > 0)
            {
                return found;
            }

            string some = layers.Count == 0
                ? "it has no Linear or convolution"
                : $"it has {layers.Count} layers to adapt, such as {string.Join(", ", Spread(layers).Select(layer => layer.Name))}";
            throw new ArgumentException($"{what} matches nothing in {network.GetName()}: {some}.");
        }
    }

    private bool Named(AdaptableLayer layer) => _names.Any(name => EndsWith(layer.Name, name));

    /// <summary>Compiles a regular expression from a file or a user; matching is limited to one second.</summary>
    /// <param name="pattern">The expression, which must be one by itself: messages quote it as it was written.</param>
    /// <param name="before">What is put before it.</param>
    /// <param name="after">What is put after it.</param>
    /// <exception cref="ArgumentException">It is not a regular expression.</exception>
    public static Regex Compile(string pattern, string before, string after)
    {
        try
        {
            _ = new Regex(pattern, RegexOptions.CultureInvariant);
            return new Regex(before + pattern + after, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        }
        catch (ArgumentException exception)
        {
            throw new ArgumentException($"'{pattern}' is not a regular expression: {exception.Message}", exception);
        }
    }

    /// <summary>Tells whether a pattern of <see cref="Compile"/> matches a module path.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <param name="module">Module path.</param>
    /// <exception cref="ArgumentException">It takes longer than a second.</exception>
    public static bool Matches(Regex pattern, string module)
    {
        try
        {
            return pattern.IsMatch(module);
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw new ArgumentException(
                $"The pattern takes longer than a second to compare with '{module}'. Write it without repetitions inside repetitions.", exception);
        }
    }

    /// <summary>Finds the shortest names that select exactly the given layers, for a target_modules list.</summary>
    /// <param name="selected">Module paths to select.</param>
    /// <param name="all">Module paths of all layers of the network.</param>
    /// <returns>The names, sorted; null where no list of names can (a selected path is the end of one that is not).</returns>
    public static IReadOnlyList<string>? ShortestNames(IReadOnlyCollection<string> selected, IReadOnlyList<string> all)
    {
        var chosen = selected.ToHashSet(StringComparer.Ordinal);
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string module in selected)
        {
            string[] parts = module.Split('.');
            string? name = Enumerable.Range(1, parts.Length).Select(length => string.Join('.', parts[^length..]))
                .FirstOrDefault(end => !char.IsAsciiDigit(end[0]) && all.Where(other => EndsWith(other, end)).All(chosen.Contains));
            if (name is null)
            {
                return null;
            }

            names.Add(name);
        }

        return [.. names];
    }

    private static IEnumerable<AdaptableLayer> Spread(IReadOnlyList<AdaptableLayer> layers) =>
        layers.Where((_, i) => i % Math.Max(1, (layers.Count + 4) / 5) == 0);
}
