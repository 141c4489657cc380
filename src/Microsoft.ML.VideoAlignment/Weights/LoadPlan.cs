using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Which tensor of a file fills which parameter or buffer of a module, by names, shapes and types; no value is read.</summary>
internal sealed class LoadPlan
{
    private readonly IWeightSource _source;
    private readonly KeyMap _map;
    private readonly Dictionary<string, Tensor> _targets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _files = new(StringComparer.Ordinal); // key -> name in the file
    private readonly List<LoadStep> _steps = [];
    private readonly List<string> _loaded = [], _missing = [], _unexpected = [], _mismatch = [], _converted = [], _reshaped = [], _ignored = [];

    /// <summary>Compares a module with a source.</summary>
    /// <param name="module">The module, which may be on the meta device.</param>
    /// <param name="source">The weights.</param>
    /// <param name="prefix">The start of the names; the rest is mapped to keys.</param>
    /// <param name="map">How the rest of a name becomes a key.</param>
    public LoadPlan(nn.Module module, IWeightSource source, string prefix, KeyMap map)
    {
        (_source, _map) = (source, map);
        MapNames(prefix);
        Collect(module, "", _targets);
        HashSet<string> scales =
        [
            .. _targets.Where(pair => pair.Value.dtype == ScalarType.Int8).Select(pair => pair.Key + ChannelQuantization.ScaleSuffix)
                .Where(_targets.ContainsKey),
        ];
        foreach ((string key, Tensor target) in _targets.Where(pair => !scales.Contains(pair.Key)))
        {
            string scale = key + ChannelQuantization.ScaleSuffix;
            Match(key, target, scales.Contains(scale) ? _targets[scale] : null);
        }

        _unexpected.AddRange(_files.Values);
    }

    /// <summary>What is to be filled, in the module's order.</summary>
    public IReadOnlyList<LoadStep> Steps => _steps;

    public LoadReport Report => new()
    {
        Location = _source.Location,
        Loaded = _loaded,
        Missing = _missing,
        Unexpected = _unexpected,
        ShapeMismatch = _mismatch,
        DtypeConverted = _converted,
        Reshaped = _reshaped,
        Ignored = _ignored,
    };

    private void MapNames(string prefix)
    {
        foreach (string name in _source.Entries.Keys)
        {
            string? key = name.StartsWith(prefix, StringComparison.Ordinal) ? _map.MapName(name[prefix.Length..]) : null;
            if (key is null)
            {
                _ignored.Add(name);
            }
            else if (!_files.TryAdd(key, name))
            {
                _unexpected.Add($"{name} (like {_files[key]} it means {key})");
            }
        }
    }

    // scale: where a floating tensor of the file becomes int8 on the way; null: it does not.
    private void Match(string key, Tensor target, Tensor? scale)
    {
        if (!_files.Remove(key, out string? file))
        {
            if (!_map.IsOptional(key))
            {
                _missing.Add(key);
            }

            return;
        }

        (ScalarType dtype, IReadOnlyList<long> shape) = _source.Entries[file];
        bool sameKind = dtype == target.dtype || (IsFloating(dtype) && (IsFloating(target.dtype) || scale is not null));
        if (!sameKind || !_map.Fits(key, shape, target.shape))
        {
            _mismatch.Add($"{key}: file {dtype} {Shapes.Describe(shape)}, network {target.dtype} {Shapes.Describe(target)}");
            return;
        }

        _loaded.Add(key);
        _steps.Add(new LoadStep(file, target, scale));
        if (dtype != target.dtype)
        {
            _converted.Add($"{key}: {dtype} -> {target.dtype}");
        }

        if (!shape.SequenceEqual(target.shape))
        {
            _reshaped.Add(key);
        }
    }

    // Collects what state_dict returns. That asks every module for everything below it, so that a network of 1500 tensors makes 14 MB of names.
    private static void Collect(nn.Module module, string prefix, Dictionary<string, Tensor> tensors)
    {
        IEnumerable<(string, Tensor)> parameters = module.named_parameters(recurse: false).Select(pair => (pair.name, (Tensor)pair.parameter));
        foreach ((string name, Tensor tensor) in parameters.Concat(module.named_buffers(recurse: false)))
        {
            tensors.TryAdd(prefix + name, tensor);
        }

        foreach ((string name, nn.Module child) in module.named_children())
        {
            Collect(child, $"{prefix}{name}.", tensors);
        }
    }

    private static bool IsFloating(ScalarType dtype) => dtype is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64;
}

/// <summary>One tensor of the file and its destination.</summary>
/// <param name="File">The name in the file.</param>
/// <param name="Target">The parameter or buffer to fill.</param>
/// <param name="Scale">The scales to fill where the tensor is quantized on the way; null: none.</param>
internal readonly record struct LoadStep(string File, Tensor Target, Tensor? Scale);
