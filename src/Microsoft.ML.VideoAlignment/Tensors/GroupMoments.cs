namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Mean and variance of a group norm's groups as tensors of their own, [N, G, 2], so that a norm can be computed on a part of what its statistics span. All
/// carries gradient: through the statistics, each number reaches every part.
/// </summary>
internal static class GroupMoments
{
    /// <summary>Measures each group: twice over the numbers, as a sum of squares loses what the mean is larger than the deviation.</summary>
    /// <param name="x">[N, C, ...].</param>
    /// <param name="groups">Groups of channels, G, a divisor of C.</param>
    /// <returns>[N, G, 2], mean and variance; float32 or wider.</returns>
    public static Tensor Measure(Tensor x, long groups)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor grouped = RunContext.OpDone(PrecisionPolicy.Cast(OpKind.Norm, x).reshape(x.shape[0], groups, -1), []);
        Tensor mean = grouped.mean([2], keepdim: true), variance = Ops.Subtract(grouped, mean).Pow(2).mean([2]);
        return stack([mean.squeeze(2), variance], dim: 2).MoveToOuterDisposeScope();
    }

    /// <summary>Merges the moments of parts into those of the whole (Chan, Golub and LeVeque 1979, "Updating formulae").</summary>
    /// <param name="parts">[N, P, G, 2].</param>
    /// <param name="weights">The share of the whole that each part is, P numbers of sum 1.</param>
    /// <returns>[N, G, 2].</returns>
    public static Tensor Merge(Tensor parts, double[] weights)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor share = DeviceTable.Create(weights, parts.device, parts.dtype).view(1, -1, 1);
        Tensor means = parts.select(3, 0), mean = (means * share).sum(1, keepdim: true);
        Tensor variance = (Ops.Add(parts.select(3, 1), Ops.Subtract(means, mean).Pow(2)) * share).sum(1);
        return stack([mean.squeeze(1), variance], dim: 2).MoveToOuterDisposeScope();
    }

    /// <summary>Normalizes by moments that were measured elsewhere.</summary>
    /// <param name="x">[N, C, ...].</param>
    /// <param name="moments">[N, G, 2].</param>
    /// <param name="weight">Gamma, [C], of any floating type.</param>
    /// <param name="bias">Beta, [C], of any floating type.</param>
    /// <param name="eps">Added to the variance.</param>
    /// <param name="silu">Whether SiLU follows.</param>
    /// <returns>The shape and type of x.</returns>
    public static Tensor Normalize(Tensor x, Tensor moments, Tensor weight, Tensor bias, double eps, bool silu) => PrecisionPolicy.RunWide(
        OpKind.Norm,
        operands =>
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor mean = PerChannel(operands[1].select(2, 0)), scale = PerChannel(operands[1].select(2, 1).Add(eps).rsqrt());
            Tensor y = Ops.Add(Ops.Subtract(operands[0], mean) * (scale * OfAll(weight)), OfAll(bias));
            return (silu ? nn.functional.silu(y) : y.alias()).MoveToOuterDisposeScope();

            long[] Around(long first) => [first, x.shape[1], .. Enumerable.Repeat(1L, (int)x.ndim - 2)];
            Tensor PerChannel(Tensor ofGroups) =>
                ofGroups.to_type(operands[0].dtype).repeat_interleave(x.shape[1] / ofGroups.shape[1], dim: 1).view(Around(x.shape[0]));
            Tensor OfAll(Tensor ofChannels) => ofChannels.to_type(operands[0].dtype).view(Around(1));
        },
        x, moments);
}
