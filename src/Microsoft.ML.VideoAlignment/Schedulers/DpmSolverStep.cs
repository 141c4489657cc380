
namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// One step of DPM-Solver++ as weights: x' = Sample x + Newest m_0 + Second m_1 + Third m_2 + Noise z, where m_0, m_1, m_2 are the clean predictions of this
/// step and the two before.
/// </summary>
/// <remarks>
/// Lu et al. 2022 (arXiv 2211.01095): first order eq. 8, second order algorithm 2, SDE form section 3.4; the Heun variant and the third order as in diffusers'
/// DPMSolverMultistepScheduler. Coefficients of the differences D1, D2 are folded into those of m.
/// </remarks>
/// <param name="Order">1 to 3: how many clean predictions the step reads.</param>
/// <param name="Sample">Weight of x.</param>
/// <param name="Newest">Weight of m_0.</param>
/// <param name="Second">Weight of m_1; 0 below order 2.</param>
/// <param name="Third">Weight of m_2; 0 below order 3.</param>
/// <param name="Noise">Standard deviation of the fresh noise z; 0 = deterministic.</param>
internal readonly record struct DpmSolverStep(int Order, double Sample, double Newest, double Second, double Third, double Noise)
{
    /// <summary>Whether every weight is finite; false after a step of length 0, whose slope is 0 / 0.</summary>
    public bool IsFinite => double.IsFinite(Sample) && double.IsFinite(Newest) && double.IsFinite(Second) && double.IsFinite(Third) && double.IsFinite(Noise);

    /// <summary>Creates one step of a run.</summary>
    /// <param name="levels">Every noise level, from the noisiest; S + 1 of them.</param>
    /// <param name="i">Index of the step; 0 = noisiest.</param>
    /// <param name="order">1 to 3, at most i + 1.</param>
    /// <param name="heun">Whether the second order is the Heun variant, not the midpoint rule.</param>
    /// <param name="stochastic">Whether the step is of the SDE form, with fresh noise.</param>
    public static DpmSolverStep Create(ReadOnlySpan<NoiseLevel> levels, int i, int order, bool heun, bool stochastic)
    {
        (double alpha, double sigma) = levels[i + 1];
        double sigmaNow = levels[i].Sigma;

        // Infinite where the run ends at sigma 0.
        double h = levels[i + 1].Lambda - levels[i].Lambda;

        // The SDE form is the ODE form with 2h in place of h, a factor e^-h on x and fresh noise.
        double g = stochastic ? 2 * h : h;
        double decay = Math.Exp(-g);
        double sample = sigma / sigmaNow * (stochastic ? Math.Exp(-h) : 1);
        double noise = stochastic ? sigma * Math.Sqrt(1 - decay) : 0;
        double whole = alpha * (1 - decay);
        if (order == 1)
        {
            return new DpmSolverStep(1, sample, whole, 0, 0, noise);
        }

        double r0 = (levels[i].Lambda - levels[i - 1].Lambda) / h;
        double first = alpha * (((decay - 1) / g) + 1);
        if (order == 2)
        {
            // D1 = (m_0 - m_1) / r0
            double slope = (heun ? first : whole / 2) / r0;
            return new DpmSolverStep(2, sample, whole + slope, -slope, 0, noise);
        }

        // D1 = (1 + k) u - k v, D2 = (u - v) / (r0 + r1), with u = (m_0 - m_1) / r0, v = (m_1 - m_2) / r1, k = r0 / (r0 + r1)
        double r1 = (levels[i - 1].Lambda - levels[i - 2].Lambda) / h;

        // The SDE form's -1/2 is diffusers' (the ODE form's +1/2 makes the weight vanish with h, which -1/2 does not); kept, so that results agree.
        double second = alpha * (((1 - decay - g) / (g * g)) + (stochastic ? -0.5 : 0.5));
        double ofU = ((first * (1 + (r0 / (r0 + r1)))) + (second / (r0 + r1))) / r0;
        double ofV = -((first * r0 / (r0 + r1)) + (second / (r0 + r1))) / r1;
        return new DpmSolverStep(3, sample, whole + ofU, ofV - ofU, -ofV, noise);
    }
}
