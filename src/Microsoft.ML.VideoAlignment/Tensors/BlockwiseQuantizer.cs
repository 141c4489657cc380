namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Dynamic tree quantization of numbers in blocks that are divided by their largest magnitude (Dettmers et al. 2022, arXiv 2110.02861, section 1.3).
/// </summary>
/// <remarks>
/// The 256 codes in [-1, 1] or [0, 1] are as dense, relative to their size, over seven decades. A decade that is ten times larger has twice the codes, at the
/// middles of equal intervals; 0 and 1 complete the set.
/// </remarks>
internal sealed class BlockwiseQuantizer : IDisposable
{
    /// <summary>Numbers that share a scale.</summary>
    public const int Block = 256;

    private const int Decades = 7;

    private readonly Tensor _values;
    private readonly Tensor _borders;
    private readonly int _leastPositive;

    private BlockwiseQuantizer(bool signed, Device device)
    {
        var values = new List<double> { 0, 1 };
        for (int decade = 0; decade < Decades; decade++)
        {
            (double top, int count) = (Math.Pow(10, decade - Decades + 1), (signed ? 1 : 2) << decade);
            for (int i = 0; i < count; i++)
            {
                double value = top * (0.1 + (0.9 * (i + 0.5) / count));
                values.Add(value);
                if (signed)
                {
                    values.Add(-value);
                }
            }
        }

        float[] sorted = [.. values.Order().Select(value => (float)value)];
        _leastPositive = Array.FindIndex(sorted, value => value > 0);
        _values = tensor(sorted, device: device).DetachFromDisposeScope();
        _borders = tensor(sorted.Zip(sorted.Skip(1), (low, high) => (low + high) / 2).ToArray(), device: device).DetachFromDisposeScope();
    }

    /// <summary>Makes codes for numbers of either sign.</summary>
    /// <param name="device">Where the codes are kept.</param>
    public static BlockwiseQuantizer SignedCodes(Device device) => new(signed: true, device);

    /// <summary>Makes codes for numbers that are not negative.</summary>
    /// <param name="device">Where the codes are kept.</param>
    public static BlockwiseQuantizer PositiveCodes(Device device) => new(signed: false, device);

    /// <summary>The values that numbers are rounded to, ascending, [256].</summary>
    public Tensor Codes => _values;

    /// <summary>Replaces each number by the index of its nearest code.</summary>
    /// <param name="x">Numbers [n] on the codes' device.</param>
    /// <returns>Indices [n], uint8, and the blocks' scales [ceil(n / <see cref="Block"/>)].</returns>
    /// <remarks>A positive number never becomes 0, or what is divided by its root would explode.</remarks>
    public (Tensor Places, Tensor Scales) Quantize(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        long count = x.shape[0];
        Tensor blocks = nn.functional.pad(x, [0, (Block - (count % Block)) % Block]).view(-1, Block);
        Tensor scales = blocks.abs().amax([1]);
        Tensor shares = blocks / scales.Clamp(float.Epsilon).unsqueeze(1);
        Tensor places = bucketize(shares, _borders);
        places = places.where(shares.GreaterThan(0).logical_not_(), places.Clamp(_leastPositive));
        return (places.flatten().narrow(0, 0, count).to_type(ScalarType.Byte).MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    /// <summary>Restores numbers, rounded to their codes.</summary>
    /// <param name="places">Indices [n], uint8.</param>
    /// <param name="scales">Scales of the blocks.</param>
    /// <returns>float32 [n].</returns>
    public Tensor Dequantize(Tensor places, Tensor scales)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor shares = _values.index_select(0, places.to_type(ScalarType.Int64));
        return (shares * scales.repeat_interleave(Block).narrow(0, 0, places.shape[0])).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _values.Dispose();
        _borders.Dispose();
    }
}
