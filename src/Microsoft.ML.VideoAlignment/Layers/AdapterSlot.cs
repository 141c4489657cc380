using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>A low-rank adapter (LoRA, Hu et al. 2021, arXiv 2106.09685, eq. 3): the layer gives W x + <see cref="Scale"/> * up(down(x)).</summary>
/// <param name="down">The layer's kernel, stride and padding and r outputs: [r, in, ...kernel].</param>
/// <param name="up">1x1 without bias: [out, r] or [out, r, 1, ...].</param>
/// <param name="scale">Factor of the product, usually alpha / rank.</param>
internal sealed class LowRankAdapter(Parameter down, Parameter up, double scale) : IDisposable
{
    public Parameter Down { get; } = down;

    public Parameter Up { get; } = up;

    /// <summary>The factor of the file or the run, usually alpha / rank.</summary>
    public double TrainedScale { get; } = scale;

    /// <summary>Adapter strength: 0 = base model, 1 = as trained.</summary>
    public double Strength { get; set; } = 1;

    public double Scale => TrainedScale * Strength;

    public long Rank => Down.shape[0];

    /// <summary>Whether W + delta as one weight (with its graph) costs less than the two thin products beside W; both give the same gradient.</summary>
    /// <param name="weight">W.</param>
    /// <remarks>On two cores a thin product takes about five times as long per number as a square one.</remarks>
    public bool IsCheaperMaterialized(Tensor weight) => weight.numel() <= 5 * (Down.numel() + Up.numel());

    /// <summary>Computes Scale * up * down as one weight.</summary>
    /// <param name="weight">W, for its shape.</param>
    /// <returns>The shape of W.</returns>
    public Tensor Delta(Tensor weight)
    {
        using Tensor up = Up.flatten(1);
        using Tensor down = Down.flatten(1);
        using Tensor product = Ops.MatMul(up, down);
        using Tensor scaled = product.Mul(Scale);
        return scaled.reshape(weight.shape);
    }

    public void Dispose()
    {
        Down.Dispose();
        Up.Dispose();
    }
}

/// <summary>The place in a Linear or convolution layer that LoRA fills. Empty or switched off, the layer is the base model's.</summary>
/// <remarks>
/// Merged, the layer computes with W + delta in one product (what steps without gradient do); otherwise the adapter runs beside the frozen weight and carries
/// gradient.
/// </remarks>
internal sealed class AdapterSlot
{
    private Tensor? _merged;
    private bool _mergesAtUse;
    private bool _hasAffectedOutput;
    private bool _hasBeenInert;

    public LowRankAdapter? Adapter { get; set; }

    /// <summary>
    /// Whether nothing that the layer gave since <see cref="ForgetUses"/> could matter, by the structure of the network and the sizes it ran with.
    /// </summary>
    /// <remarks>
    /// Such are queries and keys of attention over one token, and a shift that a norm takes away again. The adapter's gradient is then zero on every processor,
    /// and is not expected to be anything else.
    /// </remarks>
    public bool IsInert => _hasBeenInert && !_hasAffectedOutput;

    /// <summary>False: the layer is the base model's, whatever the slot holds.</summary>
    public bool Enabled { get; set; } = true;

    public bool IsMerged => _merged is not null || _mergesAtUse;

    /// <summary>Brings the layer's weight, which waits elsewhere; null: it does not.</summary>
    public StreamedWeight? Streamed { get; set; }

    /// <summary>The adapter that is not in the weight yet; null where the slot is empty, off or merged.</summary>
    public LowRankAdapter? UnmergedPart => Enabled && !IsMerged ? Adapter : null;

    /// <summary>The adapter to run beside <see cref="EffectiveWeight"/>; null where that weight contains it already, or the slot is empty or off.</summary>
    /// <param name="weight">W.</param>
    public LowRankAdapter? UnmergedAdapter(Tensor weight) => UnmergedPart is { } adapter && !adapter.IsCheaperMaterialized(weight) ? adapter : null;

    /// <summary>Whether <see cref="EffectiveWeight"/> is the stored weight: it contains no adapter.</summary>
    /// <param name="weight">W.</param>
    public bool ComputesWithStored(FrozenWeight weight) => !(Enabled && IsMerged) && UnmergedPart?.IsCheaperMaterialized(weight.Stored) is not true;

    /// <summary>The weight to compute with. The base weight itself is never changed, so nothing drifts however often an adapter is merged.</summary>
    /// <param name="weight">W, which may be stored in a smaller type than the activations.</param>
    /// <param name="dtype">Type of the input.</param>
    public Tensor EffectiveWeight(FrozenWeight weight, ScalarType dtype) =>
        ComputesWithStored(weight) ? weight.ConvertTo(dtype) : IsMerged ? ConvertMerged(weight, dtype) : MergedWeight(weight, dtype);

    /// <summary>W + delta with the adapter's graph: for kernels that take a layer apart.</summary>
    /// <param name="weight">W.</param>
    /// <param name="dtype">Type of the input.</param>
    public Tensor MergedWeight(FrozenWeight weight, ScalarType dtype)
    {
        if (UnmergedPart is not { } adapter)
        {
            return EffectiveWeight(weight, dtype);
        }

        using Tensor delta = adapter.Delta(weight.Stored);
        using Tensor frozen = weight.ConvertTo(delta.dtype);
        using Tensor whole = frozen.Add(delta);
        return whole.to_type(dtype);
    }

    /// <summary>
    /// Computes W + delta once, or, where W waits elsewhere, at each use. The slot owns the result until <see cref="Unmerge"/>; the numbers are the same.
    /// </summary>
    /// <param name="weight">W.</param>
    public void Merge(FrozenWeight weight)
    {
        Unmerge();
        if (Adapter is null)
        {
            return;
        }

        if (weight.Streamed is null)
        {
            _merged = ComputeMerged(Adapter, weight).DetachFromDisposeScope();
        }
        else
        {
            _mergesAtUse = true;
        }
    }

    /// <summary>Notes that the layer ran where its output can matter, or cannot; layers whose output always can need not call it.</summary>
    /// <param name="matters">False: nothing that comes after depends on the layer's output, whatever the weights are.</param>
    public void RecordUse(bool matters)
    {
        _hasAffectedOutput |= matters;
        _hasBeenInert |= !matters;
    }

    /// <summary>Forgets what <see cref="RecordUse"/> noted.</summary>
    public void ForgetUses() => (_hasAffectedOutput, _hasBeenInert) = (false, false);

    public void Unmerge()
    {
        _merged?.Dispose();
        (_merged, _mergesAtUse) = (null, false);
    }

    private Tensor ConvertMerged(FrozenWeight weight, ScalarType dtype)
    {
        if (_merged is not null)
        {
            return _merged.to_type(dtype);
        }

        using Tensor merged = ComputeMerged(Adapter!, weight);
        return merged.to_type(dtype);
    }

    private static Tensor ComputeMerged(LowRankAdapter adapter, FrozenWeight weight)
    {
        using Tensor delta = adapter.Delta(weight.Stored);
        using Tensor whole = weight.ConvertTo(delta.dtype);
        using Tensor merged = Ops.Add(whole, delta);
        return merged.to_type(PrecisionPolicy.TypeOfMerged(merged.dtype));
    }
}

/// <summary>A layer that LoRA can adapt; it runs through an <see cref="AdaptedProduct"/>.</summary>
internal interface IAdaptable
{
    Parameter Weight { get; }

    /// <summary>[out], added to the product; null: none.</summary>
    Parameter? Bias { get; }

    /// <summary>The weight with its scale, where it has one.</summary>
    FrozenWeight Frozen { get; }

    AdapterSlot Slot { get; }
}
