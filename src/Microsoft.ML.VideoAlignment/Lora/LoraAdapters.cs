using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// The LoRA adapters of one network (Hu et al. 2021, arXiv 2106.09685): fills the slots of the selected layers, owns the factors, and empties the slots
/// when disposed. Factors are float32 on the network's device, whatever the frozen weights are stored in (float64 beside weights in float64). Freshly attached, the network computes exactly
/// what it did before, because up starts at zero.
/// </summary>
internal sealed class LoraAdapters : IDisposable
{
    /// <summary>VADER's VideoCrafter script leaves peft's default, so its scale is 8 / rank.</summary>
    public const double DefaultAlpha = 8;

    /// <summary>What follows a module's path in the names of its factors.</summary>
    public const string DownSuffix = ".lora_A.weight", UpSuffix = ".lora_B.weight";

    private readonly nn.Module _network;
    private readonly List<AdaptedLayer> _layers;
    private bool _enabled = true;
    private double _strength = 1;

    private LoraAdapters(nn.Module network, IEnumerable<(AdaptableLayer Layer, LowRankAdapter Adapter)> layers)
    {
        _network = network;
        _layers = [.. layers.Select(pair => new AdaptedLayer(pair.Layer.Name, pair.Layer.Layer, pair.Adapter))];
        foreach (AdaptedLayer layer in _layers)
        {
            layer.Layer.Slot.Unmerge();
            layer.Layer.Slot.Adapter = layer.Adapter;
        }
    }

    /// <summary>The adapted layers, in the network's order (as attached) or the file's (as loaded).</summary>
    public IReadOnlyList<AdaptedLayer> Layers => _layers;

    /// <summary>Down and up of every layer, in order: what an optimizer gets.</summary>
    public IReadOnlyList<Parameter> Parameters => [.. _layers.SelectMany(layer => new[] { layer.Adapter.Down, layer.Adapter.Up })];

    /// <summary>The factors themselves by name, in order: "MODULE.lora_A.weight" (down), "MODULE.lora_B.weight" (up).</summary>
    public IEnumerable<(string Name, Parameter Factor)> NamedFactors =>
        _layers.SelectMany(layer => new[] { (DownName(layer), layer.Adapter.Down), (UpName(layer), layer.Adapter.Up) });

    /// <summary>
    /// Names, as in <see cref="NamedFactors"/>, of the factors that cannot matter by the structure of the network and the sizes it ran with since
    /// <see cref="ForgetUses"/>; see <see cref="AdapterSlot.IsInert"/>.
    /// </summary>
    public IReadOnlySet<string> InertFactors =>
        _layers.Where(layer => layer.Layer.Slot.IsInert).SelectMany(layer => new[] { DownName(layer), UpName(layer) }).ToHashSet(StringComparer.Ordinal);

    public nn.Module Network => _network;

    /// <summary>What the file that the adapters came from held beside them, for saving it again; null where they were attached afresh.</summary>
    public LoraOrigin? Origin { get; private init; }

    /// <summary>False: the network is the base model.</summary>
    public bool Enabled
    {
        get => _enabled;
        set
        {
            _enabled = value;
            _layers.ForEach(layer => layer.Layer.Slot.Enabled = value);
        }
    }

    /// <summary>Runs <paramref name="work"/> on the base model: switched off for it, and on again after it, whatever it threw.</summary>
    public T Without<T>(Func<T> work)
    {
        Enabled = false;
        try
        {
            return work();
        }
        finally
        {
            Enabled = true;
        }
    }

    /// <summary>The dial between the base model (0) and the adapted one (1). Merged weights are made anew.</summary>
    public double Strength
    {
        get => _strength;
        set
        {
            if (value is not (>= 0 and <= 1))
            {
                throw new ArgumentOutOfRangeException(nameof(value), value, "The strength of an adapter lies between 0 (the base model) and 1 (as trained).");
            }

            _strength = value;
            _layers.ForEach(layer => layer.Adapter.Strength = value);
            if (IsMerged)
            {
                Merge();
            }
        }
    }

    public bool IsMerged => _layers.Exists(layer => layer.Layer.Slot.IsMerged);

    /// <summary>
    /// Adapts the selected layers. Down is uniform in +-1/sqrt(inputs * kernel) (peft: kaiming_uniform with a = sqrt 5), drawn layer by layer; up is zero.
    /// </summary>
    /// <param name="network">The network; layers that already carry an adapter are an error.</param>
    /// <param name="targets">Which layers.</param>
    /// <param name="rank">r, at least 1 (VADER: 16; its scripts' default 8).</param>
    /// <param name="alpha">Scale = alpha / rank, also where a layer's own rank is clipped.</param>
    /// <param name="generator">A generator of the CPU, so that one seed gives one start on every device.</param>
    public static LoraAdapters Attach(nn.Module network, LoraTargets targets, int rank, double alpha, Generator generator)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        if (!double.IsFinite(alpha) || alpha <= 0)
        {
            throw new ArgumentOutOfRangeException(nameof(alpha), alpha, "alpha must be a finite number above 0.");
        }

        IReadOnlyList<AdaptableLayer> selected = targets.Select(network);
        RequireFree(selected, network);
        var layers = new List<(AdaptableLayer, LowRankAdapter)>(selected.Count);
        foreach (AdaptableLayer layer in selected)
        {
            using DisposeScope scope = NewDisposeScope();
            long own = targets.SegmentsRank ? Math.Min(rank, Math.Min(layer.WeightShape[0], layer.WeightShape[1])) : rank;
            long[] shape = layer.DownShape(own);
            double bound = 1 / Math.Sqrt(shape[1..].Aggregate(1L, (product, size) => product * size));
            Device device = layer.Layer.Weight.device;
            ScalarType dtype = FactorDtype(layer.Layer.Weight);
            Tensor down = rand(shape, dtype: ScalarType.Float32, generator: generator).Mul(2 * bound).Sub(bound).to(dtype, device);
            Tensor up = zeros(layer.UpShape(own), dtype: dtype, device: device);
            layers.Add((layer, new LowRankAdapter(Own(down), Own(up), alpha / rank)));
        }

        return new LoraAdapters(network, layers);
    }

    /// <summary>Adapts the network by an adapter that was read from a file: copies its factors, float32, to the network's device.</summary>
    /// <exception cref="WeightFileException">Modules that the network does not have, or factors that do not fit them; the network is as it was.</exception>
    public static LoraAdapters Attach(nn.Module network, LoraWeights weights)
    {
        IReadOnlyList<(AdaptableLayer Layer, LoraPair Pair)> fitted = weights.Fit(network);
        RequireFree([.. fitted.Select(pair => pair.Layer)], network);
        return new LoraAdapters(network, [.. fitted.Select(pair => (pair.Layer, Copy(pair.Layer, pair.Pair)))]) { Origin = weights.Origin };

        static LowRankAdapter Copy(AdaptableLayer layer, LoraPair pair)
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable guard = no_grad();
            (ScalarType dtype, Device device) = (FactorDtype(layer.Layer.Weight), layer.Layer.Weight.device);
            return new LowRankAdapter(Own(pair.Down.to(dtype, device).clone().contiguous()), Own(pair.Up.to(dtype, device).clone().contiguous()), pair.Scale);
        }
    }

    /// <summary>Whether gradient is recorded for the factors. The trainer switches it on for the gradient steps.</summary>
    public void RequireGradient(bool required) => _layers.ForEach(layer =>
    {
        layer.Adapter.Down.requires_grad_(required);
        layer.Adapter.Up.requires_grad_(required);
    });

    /// <summary>
    /// Computes every adapted weight once, for steps without gradient: one product instead of three. After the factors change, merge again;
    /// before a gradient step, <see cref="Unmerge"/>.
    /// </summary>
    public void Merge()
    {
        using IDisposable guard = no_grad();
        _layers.ForEach(layer => layer.Layer.Slot.Merge(layer.Layer.Frozen));
    }

    public void Unmerge() => _layers.ForEach(layer => layer.Layer.Slot.Unmerge());

    /// <summary>Begins anew with what <see cref="InertFactors"/> names.</summary>
    public void ForgetUses() => _layers.ForEach(layer => layer.Layer.Slot.ForgetUses());

    /// <summary>Copies of the factors on the CPU by name: "MODULE.lora_A.weight" (down) and "MODULE.lora_B.weight" (up). The caller owns them.</summary>
    public IReadOnlyDictionary<string, Tensor> StateDict()
    {
        using IDisposable guard = no_grad();
        return NamedFactors.ToDictionary(pair => pair.Name, pair => pair.Factor.detach().cpu().clone(), StringComparer.Ordinal);
    }

    /// <summary>Copies <paramref name="state"/> into the factors; merged weights are dropped.</summary>
    /// <exception cref="ArgumentException">The names or shapes are not those of <see cref="StateDict"/>; nothing was copied.</exception>
    public void Load(IReadOnlyDictionary<string, Tensor> state)
    {
        List<(string Name, Parameter Factor)> factors = [.. NamedFactors];
        string[] faults =
        [
            .. factors.Where(pair => !state.ContainsKey(pair.Name)).Select(pair => $"missing {pair.Name}"),
            .. state.Keys.Except(factors.Select(pair => pair.Name)).Select(name => $"unexpected {name}"),
            .. factors.Where(pair => state.TryGetValue(pair.Name, out Tensor? value) && !value.shape.SequenceEqual(pair.Factor.shape))
                .Select(pair => $"{pair.Name}: expected {Shapes.Describe(pair.Factor)}, got {Shapes.Describe(state[pair.Name])}"),
        ];
        if (faults.Length > 0)
        {
            throw new ArgumentException($"The state is of another adapter: {string.Join("; ", faults.Take(10))}{(faults.Length > 10 ? $"; and {faults.Length - 10} more" : "")}.", nameof(state));
        }

        Unmerge();
        using IDisposable guard = no_grad();
        foreach ((string name, Parameter factor) in factors)
        {
            factor.copy_(state[name]);
        }
    }

    /// <summary>The adapters as a file holds them, copied to the CPU; the caller disposes it.</summary>
    public LoraWeights ToWeights() => ToWeights(static (_, factor) => factor);

    /// <summary>As the other overload, with other factors in place of the network's.</summary>
    /// <param name="state">As <see cref="StateDict"/> gives it.</param>
    public LoraWeights ToWeights(IReadOnlyDictionary<string, Tensor> state) => ToWeights((name, _) => state[name]);

    private LoraWeights ToWeights(Func<string, Tensor, Tensor> value)
    {
        using IDisposable guard = no_grad();
        ScalarType dtype = Origin?.Dtype ?? ScalarType.Float32;
        Tensor Copy(Tensor factor)
        {
            using DisposeScope scope = NewDisposeScope();
            return factor.detach().cpu().to(dtype).clone().DetachFromDisposeScope();
        }

        return new LoraWeights(
            [
                .. _layers.Select(layer => new LoraPair(
                    layer.Name,
                    Copy(value(DownName(layer), layer.Adapter.Down)),
                    Copy(value(UpName(layer), layer.Adapter.Up)),
                    layer.Adapter.TrainedScale)),
            ],
            Origin ?? new LoraOrigin());
    }

    /// <summary>Empties the slots and frees the factors: the network is the base model again.</summary>
    public void Detach()
    {
        foreach (AdaptedLayer layer in _layers.Where(layer => ReferenceEquals(layer.Layer.Slot.Adapter, layer.Adapter)))
        {
            layer.Layer.Slot.Unmerge();
            layer.Layer.Slot.Adapter = null;
            layer.Layer.Slot.Enabled = true;
        }

        _layers.ForEach(layer => layer.Adapter.Dispose());
        _layers.Clear();
    }

    public void Dispose() => Detach();

    private static string DownName(AdaptedLayer layer) => layer.Name + DownSuffix;

    private static string UpName(AdaptedLayer layer) => layer.Name + UpSuffix;

    private static ScalarType FactorDtype(Tensor weight) => weight.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    private static Parameter Own(Tensor factor)
    {
        var parameter = new Parameter(factor.alias(), requires_grad: true);
        parameter.DetachFromDisposeScope();
        return parameter;
    }

    private static void RequireFree(IReadOnlyList<AdaptableLayer> layers, nn.Module network)
    {
        if (layers.FirstOrDefault(layer => layer.Layer.Slot.Adapter is not null) is { Name: { } taken })
        {
            throw new InvalidOperationException($"{network.GetName()} already has an adapter at {taken}; detach that set first.");
        }
    }

}

/// <summary>A layer with its adapter.</summary>
internal sealed record AdaptedLayer(string Name, IAdaptable Layer, LowRankAdapter Adapter);
