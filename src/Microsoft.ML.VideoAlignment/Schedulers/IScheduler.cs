namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// A noise schedule and the rule of a sampler on it, made from a scheduler_config.json. It knows no network and draws no random numbers.
/// </summary>
internal interface IScheduler
{
    /// <summary>The reference class, such as "DDIMScheduler".</summary>
    string Name { get; }

    /// <summary>Length of the training schedule, usually 1000.</summary>
    int TrainTimesteps { get; }

    /// <summary>The tables of one run over <paramref name="steps"/> steps. <paramref name="eta"/>: 0 deterministic, 1 as DDPM; samplers without it ignore it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Less than one step or more than <see cref="TrainTimesteps"/>; eta outside [0, 1].</exception>
    ISampler CreateSampler(int steps, double eta = 0);
}

/// <summary>
/// One run over S steps: host-side float64 tables and a pure step function. Step i goes from x_i to x_{i+1}; index 0 is the noisiest.
/// </summary>
internal interface ISampler
{
    /// <summary>What the network is told at each step, length S.</summary>
    IReadOnlyList<double> Timesteps { get; }

    /// <summary>Standard deviation of the start, x_0 = this * N(0, 1).</summary>
    double InitialNoiseSigma { get; }

    /// <summary>How many of the newest clean predictions (last of the list = newest) <see cref="Step"/> reads: 0 for DDIM, 1 for DPM-Solver++ 2M.</summary>
    int HistoryLength { get; }

    /// <summary>Whether step <paramref name="step"/> adds noise, which the caller must then pass to <see cref="BeforeStep"/> and <see cref="Step"/>.</summary>
    bool NeedsNoise(int step);

    /// <summary>
    /// d x_{i+1} / d prediction at this step, all else held (and nothing clipped): how strongly a gradient window that holds only this step moves the
    /// result of the step. For the last step it is the sensitivity of the final latents.
    /// </summary>
    double Sensitivity(int step);

    /// <summary>What the step starts from: x_i, or x_i with noise on frames whose editing begins here. A fresh tensor or an alias; differentiable.</summary>
    Tensor BeforeStep(int step, Tensor sample, Tensor? noise) => sample.alias();

    /// <summary>The network's input at this step (a fresh tensor; an alias where the sampler does not scale).</summary>
    Tensor ScaleInput(Tensor sample, int step);

    /// <summary>
    /// x_{i+1} and the clean prediction of this step from x_i and the network's (guided) output. Differentiable in every tensor argument.
    /// <paramref name="history"/>: the <see cref="SamplerStep.Predicted"/> of earlier steps, oldest first.
    /// </summary>
    SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise);
}

/// <summary>Result of one step: x_{i+1} and the clean (x_0) prediction. The caller owns both.</summary>
internal readonly record struct SamplerStep(Tensor Sample, Tensor Predicted);
