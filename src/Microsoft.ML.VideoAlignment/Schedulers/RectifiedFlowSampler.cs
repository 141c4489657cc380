using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>Euler's method on the rectified flow: z' = z + (t_i - t_{i+1})/1000 v, down to t = 0. Reference: Open-Sora, <c>RFLOW.sample</c>.</summary>
/// <remarks>
/// With a frame mask m, a frame is active where 1000 m >= t; it gets noise once, before its first active step, unless m = 1, and where it is not active the
/// step leaves it unchanged.
/// </remarks>
internal sealed class RectifiedFlowSampler : ISampler
{
    private readonly double[] _timesteps;
    private readonly int _train;
    private readonly float[] _frameMask;
    private readonly long[] _maskShape;

    /// <summary>Creates the sampler of one run.</summary>
    /// <param name="timesteps">S timesteps, descending, from at most <paramref name="trainTimesteps"/>.</param>
    /// <param name="trainTimesteps">Length of the training schedule.</param>
    /// <param name="frameMask">[B, T'], values from 0 to 1; null: all frames are active. Copied.</param>
    public RectifiedFlowSampler(double[] timesteps, int trainTimesteps, Tensor? frameMask)
    {
        (_timesteps, _train) = (timesteps, trainTimesteps);
        using Tensor? mask = frameMask?.to_type(ScalarType.Float32);
        _frameMask = mask is null ? [] : HostRead.Numbers<float>(mask);
        _maskShape = mask is null ? [] : [mask.shape[0], 1, mask.shape[1], 1, 1];
    }

    public IReadOnlyList<double> Timesteps => _timesteps;

    public double InitialNoiseSigma => 1;

    public int HistoryLength => 0;

    /// <summary>The part of the whole path that a step goes, in (0, 1].</summary>
    /// <param name="step">Index of the step, from 0 to S - 1.</param>
    public double StepLength(int step) => (_timesteps[step] - (step + 1 < _timesteps.Length ? _timesteps[step + 1] : 0)) / _train;

    public bool NeedsNoise(int step) => Frames(step, Begins).Contains(true);

    public double Sensitivity(int step) => StepLength(step);

    public Tensor ScaleInput(Tensor sample, int step) => sample.alias();

    /// <summary>Noises the frames that become active in this step: (1 - t/1000) sample + t/1000 noise.</summary>
    /// <param name="step">Index of the step, from 0 to S - 1.</param>
    /// <param name="sample">z [B, c, T, h, w].</param>
    /// <param name="noise">Standard normal, shaped like the sample; null where <see cref="NeedsNoise"/> is false.</param>
    /// <returns>A fresh tensor, or an alias where no frame becomes active.</returns>
    public Tensor BeforeStep(int step, Tensor sample, Tensor? noise)
    {
        LinearStep.RequireStep(step, _timesteps.Length);
        bool[] begins = Frames(step, Begins);
        if (!begins.Contains(true))
        {
            return sample.alias();
        }

        LinearStep.RequireNoise(1, noise, step);
        using DisposeScope scope = NewDisposeScope();
        double part = _timesteps[step] / _train;
        Tensor noisy = LinearStep.Combine((1 - part, sample), (part, noise));
        return where(Spread(begins, sample.device), noisy, sample).MoveToOuterDisposeScope();
    }

    /// <summary>Computes z' and the clean prediction z + t/1000 v, the end of a straight path.</summary>
    /// <param name="step">Index of the step, from 0 to S - 1.</param>
    /// <param name="sample">z [B, c, T, h, w].</param>
    /// <param name="prediction">v [B, c, T, h, w].</param>
    /// <param name="history">Ignored.</param>
    /// <param name="noise">Ignored.</param>
    /// <returns>Fresh tensors that the caller owns.</returns>
    public SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise)
    {
        LinearStep.RequireStep(step, _timesteps.Length);
        using DisposeScope scope = NewDisposeScope();
        Tensor next = LinearStep.Combine((1, sample), (StepLength(step), prediction));
        Tensor clean = LinearStep.Combine((1, sample), (_timesteps[step] / _train, prediction));
        bool[] active = Frames(step, IsActive);
        if (active.Contains(false))
        {
            Tensor generated = Spread(active, sample.device);
            (next, clean) = (where(generated, next, sample), where(generated, clean, sample));
        }

        return new SamplerStep(next.MoveToOuterDisposeScope(), clean.MoveToOuterDisposeScope());
    }

    /// <summary>The frames that are active at a timestep, as the network is given them.</summary>
    /// <param name="frameMask">[B, T], values from 0 to 1.</param>
    /// <param name="timestep">From 0 to <paramref name="trainTimesteps"/>.</param>
    /// <param name="trainTimesteps">Length of the training schedule.</param>
    /// <returns>int64 [B, T], 1 = active.</returns>
    public static Tensor ActiveFrames(Tensor frameMask, double timestep, int trainTimesteps) =>
        frameMask.Mul((float)trainTimesteps).AtLeast((float)timestep).to_type(ScalarType.Int64);

    // Compared in float32, as in the reference.
    private bool IsActive(int step, float mask) => mask * _train >= (float)_timesteps[step];

    private bool Begins(int step, float mask) => mask != 1 && IsActive(step, mask) && (step == 0 || !IsActive(step - 1, mask));

    private bool[] Frames(int step, Func<int, float, bool> holds) => [.. _frameMask.Select(mask => holds(step, mask))];

    // One flag per sample and frame -> boolean [B, 1, T, 1, 1].
    private Tensor Spread(bool[] frames, Device device) => DeviceTable.Create(frames, device).view(_maskShape);
}
