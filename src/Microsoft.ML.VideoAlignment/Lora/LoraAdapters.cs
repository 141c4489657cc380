using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// The LoRA adapters of one network (Hu et al. 2021, arXiv 2106.09685): fills the slots of the selected layers, owns the factors, and empties the slots when
/// disposed. Freshly attached, the network computes exactly what it did before, because up starts at zero.
/// </summary>
/// <remarks>Factors are float32 on the network's device whatever the dtype of the frozen weights, except float64 for weights in float64.</remarks>
internal sealed class LoraAdapters : IDisposable
{
    /// <summary>peft's default, which VADER's VideoCrafter script keeps: its scale is 8 / rank.</summary>
    public const double DefaultAlpha = 8;

    /// <summary>Suffix after a module's path in the names of its factors.</summary>
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

    /// <summary>Down and up of every layer, in order: the parameters an optimizer gets.</summary>
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

    /// <summary>What the file of these adapters held beside the factors, for saving it again; null: attached without a file.</summary>
    public LoraOrigin? Origin { get; private init; }

    /// <summary>Whether the adapters act; false = base model.</summary>
    public bool Enabled
    {
        get => _enabled;
        set
        {
            _enabled = value;
            _layers.ForEach(layer => layer.Layer.Slot.Enabled = value);
        }
    }

    /// <summary>Runs work on the base model: disables the adapters and enables them again, also when the work throws.</summary>
    /// <typeparam name="T">The result of the work.</typeparam>
    /// <param name="work">Runs once, with the adapters disabled.</param>
    public T RunDisabled<T>(Func<T> work)
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

    /// <summary>Adapter strength: 0 = base model, 1 = as trained. Setting it recomputes merged weights.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1].</exception>
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
    /// <param name="network">The network to adapt; layers that already carry an adapter are an error.</param>
    /// <param name="targets">Selects the layers.</param>
    /// <param name="rank">r, at least 1 (VADER: 16; its scripts' default 8).</param>
    /// <param name="alpha">Above 0; scale = alpha / rank, also where a layer's own rank is clamped.</param>
    /// <param name="generator">A CPU generator, so that one seed gives the same start on every device.</param>
    /// <exception cref="InvalidOperationException">A layer already carries an adapter.</exception>
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
            long own = targets.ClampsRank ? Math.Min(rank, Math.Min(layer.WeightShape[0], layer.WeightShape[1])) : rank;
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

    /// <summary>Adapts the network by an adapter from a file: copies its factors, float32, to the network's device.</summary>
    /// <param name="network">The network to adapt.</param>
    /// <param name="weights">The adapter; stays the caller's.</param>
    /// <exception cref="WeightFileException">The network lacks a module, or factors do not fit; the network is unchanged.</exception>
    public static LoraAdapters Attach(nn.Module network, LoraWeights weights)
    {
        IReadOnlyList<(AdaptableLayer Layer, LoraPair Pair)> fitted = weights.MatchLayers(network);
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

    /// <summary>Switches gradient recording for the factors; the trainer switches it on for the gradient steps.</summary>
    /// <param name="required">Whether the factors record gradient.</param>
    public void RequireGradient(bool required) => _layers.ForEach(layer =>
    {
        layer.Adapter.Down.requires_grad_(required);
        layer.Adapter.Up.requires_grad_(required);
    });

    /// <summary>
    /// Computes every adapted weight once, for steps without gradient: one product instead of three. After the factors change, merge again; before a gradient
    /// step, call <see cref="Unmerge"/>.
    /// </summary>
    public void Merge()
    {
        using IDisposable guard = no_grad();
        _layers.ForEach(layer => layer.Layer.Slot.Merge(layer.Layer.Frozen));
    }

    public void Unmerge() => _layers.ForEach(layer => layer.Layer.Slot.Unmerge());

    /// <summary>Clears the records from which <see cref="InertFactors"/> is computed.</summary>
    public void ForgetUses() => _layers.ForEach(layer => layer.Layer.Slot.ForgetUses());

    /// <summary>Copies the factors to the CPU, by name: "MODULE.lora_A.weight" (down) and "MODULE.lora_B.weight" (up).</summary>
    /// <returns>Copies that the caller owns.</returns>
    public IReadOnlyDictionary<string, Tensor> StateDict()
    {
        using IDisposable guard = no_grad();
        return NamedFactors.ToDictionary(pair => pair.Name, pair => HostRead.Copy(pair.Factor.detach()).clone(), StringComparer.Ordinal);
    }

    /// <summary>Copies a state into the factors and drops merged weights.</summary>
    /// <param name="state">Tensors by name, as from <see cref="StateDict"/>.</param>
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
            throw new ArgumentException(
                $"The state belongs to another adapter: {string.Join("; ", faults.Take(10))}{(faults.Length > 10 ? $"; and {faults.Length - 10} more" : "")}.",
                nameof(state));
        }

        Unmerge();
        using IDisposable guard = no_grad();
        foreach ((string name, Parameter factor) in factors)
        {
            factor.copy_(state[name]);
        }
    }

    /// <summary>Copies the adapters to the CPU in the form that files hold.</summary>
    /// <returns>Weights that the caller disposes.</returns>
    public LoraWeights ToWeights() => ToWeights(static (_, factor) => factor);

    /// <summary>Copies the adapters like <see cref="ToWeights()"/>, with the factors taken from a state.</summary>
    /// <param name="state">Tensors by name, as from <see cref="StateDict"/>.</param>
    /// <returns>Weights that the caller disposes.</returns>
    public LoraWeights ToWeights(IReadOnlyDictionary<string, Tensor> state) => ToWeights((name, _) => state[name]);

    private LoraWeights ToWeights(Func<string, Tensor, Tensor> value)
    {
        using IDisposable guard = no_grad();
        ScalarType dtype = Origin?.Dtype ?? ScalarType.Float32;
        Tensor Copy(Tensor factor)
        {
            using DisposeScope scope = NewDisposeScope();
            return HostRead.Copy(factor.detach()).to(dtype).clone().DetachFromDisposeScope();
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

    /// <summary>Empties the slots and disposes the factors: the network is the base model again.</summary>
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
/// <param name="Name">Module path of the layer.</param>
/// <param name="Layer">The layer, whose slot holds the adapter.</param>
/// <param name="Adapter">Factors and scale.</param>
internal sealed record AdaptedLayer(string Name, IAdaptable Layer, LowRankAdapter Adapter);
