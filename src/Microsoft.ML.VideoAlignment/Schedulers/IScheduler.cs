namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>A noise schedule and a sampling rule, made from a scheduler_config.json. It knows no network and draws no random numbers.</summary>
internal interface IScheduler
{
    /// <summary>The reference class, such as "DDIMScheduler".</summary>
    string Name { get; }

    /// <summary>Length of the training schedule, usually 1000.</summary>
    int TrainTimesteps { get; }

    /// <summary>Creates the sampler of one run.</summary>
    /// <param name="steps">S, between 1 and <see cref="TrainTimesteps"/>.</param>
    /// <param name="eta">From 0 (deterministic) to 1 (DDPM); ignored by samplers without it.</param>
    /// <exception cref="ArgumentOutOfRangeException">The steps or eta are outside these ranges.</exception>
    ISampler CreateSampler(int steps, double eta = 0);
}

/// <summary>A scheduler whose runs may visit noise levels of the caller's choice.</summary>
internal interface INoiseLevelScheduler : IScheduler
{
    /// <summary>Creates the sampler of a run through the caller's own noise levels; the configuration's spacing is not used.</summary>
    /// <param name="sigmas">S + 1 noise levels, descending, the final one included (usually 0).</param>
    /// <exception cref="ArgumentException">There are fewer than two levels, or they do not fall, or one is out of the scheduler's range.</exception>
    ISampler CreateSampler(IReadOnlyList<double> sigmas);
}

/// <summary>One run over S steps: host-side float64 tables and a pure step function. Step i goes from x_i to x_{i+1}; index 0 is the noisiest.</summary>
internal interface ISampler
{
    /// <summary>The timestep that the network gets at each step, length S.</summary>
    IReadOnlyList<double> Timesteps { get; }

    /// <summary>Standard deviation of the start, x_0 = this * N(0, 1).</summary>
    double InitialNoiseSigma { get; }

    /// <summary>How many of the newest clean predictions <see cref="Step"/> reads: 0 for DDIM, 1 for DPM-Solver++ 2M.</summary>
    int HistoryLength { get; }

    /// <summary>Whether a step adds noise, which the caller must then pass to <see cref="BeforeStep"/> and <see cref="Step"/>.</summary>
    /// <param name="step">Index of the step, from 0 to S - 1.</param>
    bool NeedsNoise(int step);

    /// <summary>
    /// d x_{i+1} / d prediction at this step, all else fixed and nothing clipped: how strongly a gradient window of only this step moves the step's result. For
    /// the last step it is the sensitivity of the final latents.
    /// </summary>
    /// <param name="step">Index of the step, from 0 to S - 1.</param>
    double Sensitivity(int step);

    /// <summary>What the step starts from: x_i, or x_i with noise on frames whose editing begins here. Differentiable.</summary>
    /// <param name="step">Index of the step, from 0 to S - 1.</param>
    /// <param name="sample">x_i [B, ...].</param>
    /// <param name="noise">Standard normal, shaped like the sample; null where <see cref="NeedsNoise"/> is false.</param>
    /// <returns>A fresh tensor or an alias.</returns>
    Tensor BeforeStep(int step, Tensor sample, Tensor? noise) => sample.alias();

    /// <summary>The network's input at this step.</summary>
    /// <param name="step">Index of the step, from 0 to S - 1.</param>
    /// <param name="sample">x_i [B, ...].</param>
    /// <returns>A fresh tensor, or an alias where the sampler does not scale.</returns>
    Tensor ScaleInput(Tensor sample, int step);

    /// <summary>Computes x_{i+1} and the clean prediction of this step. Differentiable in every tensor argument.</summary>
    /// <param name="step">Index of the step, from 0 to S - 1.</param>
    /// <param name="sample">x_i [B, ...].</param>
    /// <param name="prediction">The network's (guided) output [B, ...].</param>
    /// <param name="history">The <see cref="SamplerStep.Predicted"/> of earlier steps, oldest first; at least the newest <see cref="HistoryLength"/> of those
    /// there are.</param>
    /// <param name="noise">Standard normal, shaped like the sample; null where <see cref="NeedsNoise"/> is false.</param>
    /// <returns>Fresh tensors that the caller owns.</returns>
    SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise);
}

/// <summary>Result of one step; the caller owns both tensors.</summary>
/// <param name="Sample">x_{i+1} [B, ...].</param>
/// <param name="Predicted">The clean (x_0) prediction [B, ...].</param>
internal readonly record struct SamplerStep(Tensor Sample, Tensor Predicted);
