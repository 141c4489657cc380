namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// One step of UniPC as weights: x^c = x + sum_k Correction_k m_k, then x' = Sample x^c + sum_k Clean_k m_k, where m_0 is the clean prediction of this step and
/// m_k that of k steps before.
/// </summary>
/// <remarks>
/// Zhao et al. 2023 (arXiv 2302.04867), UniC and UniP for networks that predict the data, as diffusers' UniPCMultistepScheduler. UniC and UniP start from the
/// same corrected sample and share all but the differences, so the correction of x is a sum of clean predictions alone: a run needs no memory beyond those, and
/// its gradient is that of the recursion over corrected samples.
/// </remarks>
/// <param name="Correction">Weights of m_0, m_1, ...; empty: the sample is not corrected.</param>
/// <param name="Sample">Weight of x^c.</param>
/// <param name="Clean">Weights of m_0, m_1, ..., as many as the order of the prediction.</param>
internal sealed record UniPCStep(IReadOnlyList<double> Correction, double Sample, IReadOnlyList<double> Clean)
{
    /// <summary>How many clean predictions of earlier steps it reads.</summary>
    public int HistoryLength => Math.Max(Correction.Count, Clean.Count) - 1;

    /// <summary>Whether every weight is finite; false where a step of infinite length has a higher order, or an inner one length 0.</summary>
    public bool IsFinite => double.IsFinite(Sample) && Correction.Concat(Clean).All(double.IsFinite);

    /// <summary>Creates one step of a run.</summary>
    /// <param name="levels">Every noise level, from the noisiest; S + 1 of them.</param>
    /// <param name="i">Index of the step; 0 = noisiest.</param>
    /// <param name="order">Of the prediction, at most i + 1.</param>
    /// <param name="correctedOrder">Of the prediction of step i - 1, which is corrected; 0: it stays.</param>
    /// <param name="isFirstVariant">Whether B(h) is h (bh1), not e^h - 1 (bh2).</param>
    public static UniPCStep Create(IReadOnlyList<NoiseLevel> levels, int i, int order, int correctedOrder, bool isFirstVariant)
    {
        IEnumerable<double> correction = correctedOrder == 0 ? []
            : Weights(levels, i - 1, correctedOrder, isReached: true, isFirstVariant)
                .Zip(Weights(levels, i - 1, correctedOrder, isReached: false, isFirstVariant), static (corrected, predicted) => corrected - predicted);
        return new UniPCStep(
            [.. correction], levels[i + 1].Sigma / levels[i].Sigma, Weights(levels, i, order, isReached: false, isFirstVariant)[1..]);
    }

    // Of the clean predictions in the step from level i to level i + 1: of that at i + 1 (0 unless it is reached, as in UniC), at i, at i - 1, ...
    private static double[] Weights(IReadOnlyList<NoiseLevel> levels, int i, int order, bool isReached, bool isFirstVariant)
    {
        var weights = new double[order + 1];
        double lambda = levels[i].Lambda;
        double h = levels[i + 1].Lambda - lambda;

        // A repeated level: nothing moves, and the nodes below are 0 / 0.
        if (h == 0)
        {
            return weights;
        }

        double phi = double.ExpM1(-h);
        double b = isFirstVariant ? -h : phi;
        double alpha = levels[i + 1].Alpha;
        weights[1] = -alpha * phi;
        double[] nodes =
        [
            .. Enumerable.Range(1, order - 1).Select(k => (levels[i - k].Lambda - lambda) / h),
            .. isReached ? new[] { 1.0 } : [],
        ];
        double[] rho = nodes.Length == 1 ? [0.5] : SolveVandermonde(nodes, Moments(nodes.Length, h, phi, b));
        for (int k = 0; k < nodes.Length; k++)
        {
            // D_k = (m_k - m_i) / r_k
            double weight = alpha * b * rho[k] / nodes[k];
            weights[1] += weight;
            weights[k < order - 1 ? k + 2 : 0] -= weight;
        }

        return weights;
    }

    // b_j = j! phi_{j+1}(-h) / B(h), with phi_1(z) = (e^z - 1)/z and phi_{j+1}(z) = (phi_j(z) - 1/j!)/z.
    private static double[] Moments(int count, double h, double phi, double b)
    {
        var moments = new double[count];
        double factorial = 1;
        double g = (phi / -h) - 1;
        for (int j = 0; j < count; j++)
        {
            moments[j] = factorial * (j + 1) * g / b;
            factorial *= j + 1;
            g = (g / -h) - (1 / (factorial * (j + 2)));
        }

        return moments;
    }

    // Solves sum_k r_k^j x_k = b_j (Bjorck and Pereyra 1970, the primal system).
    private static double[] SolveVandermonde(double[] nodes, double[] values)
    {
        int last = nodes.Length - 1;
        for (int k = 0; k < last; k++)
        {
            for (int j = last; j > k; j--)
            {
                values[j] -= nodes[k] * values[j - 1];
            }
        }

        for (int k = last - 1; k >= 0; k--)
        {
            for (int j = k + 1; j <= last; j++)
            {
                values[j] /= nodes[j] - nodes[j - k - 1];
            }

            for (int j = k; j < last; j++)
            {
                values[j] -= values[j + 1];
            }
        }

        return values;
    }
}
