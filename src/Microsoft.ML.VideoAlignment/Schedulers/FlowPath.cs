using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// The straight path x_s = (1 - s) x_0 + s noise of rectified flow and flow matching (Liu et al. 2022, arXiv 2209.03003), and the levels that a run visits on
/// it. Networks predict its velocity.
/// </summary>
internal static class FlowPath
{
    /// <summary>Moves a level towards noise: f s / (1 + (f - 1) s) (Esser et al. 2024, arXiv 2403.03206, eq. 23). Both ends stay where they are.</summary>
    /// <param name="level">s, from 0 to <paramref name="whole"/>.</param>
    /// <param name="factor">f, above 0; 1 moves nothing.</param>
    /// <param name="whole">The level of pure noise.</param>
    public static double Shift(double level, double factor, double whole = 1) => factor * level / (1 + ((factor - 1) * level / whole));

    /// <summary>Noises clean samples: (1 - s) clean + s noise.</summary>
    /// <param name="clean">x_0 [B, ...].</param>
    /// <param name="noise">Standard normal [B, ...].</param>
    /// <param name="levels">s [B], from 0 to 1.</param>
    /// <returns>A fresh tensor [B, ...].</returns>
    public static Tensor AddNoise(Tensor clean, Tensor noise, Tensor levels)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor part = levels.reshape([-1, .. Enumerable.Repeat(1L, (int)clean.ndim - 1)]);
        return (part.SubtractedFrom(1) * clean).Add(part * noise).MoveToOuterDisposeScope();
    }

    /// <summary>Checks that a file's networks predict the velocity noise - x_0, in the words of diffusers' multistep solvers.</summary>
    /// <param name="config">The keys of a scheduler_config.json.</param>
    /// <exception cref="InvalidDataException">prediction_type is absent or another one.</exception>
    /// <exception cref="NotSupportedException">use_flow_sigmas is not true.</exception>
    public static void RequireIn(SchedulerConfig config)
    {
        config.Require("prediction_type", "flow_prediction", otherwise: "epsilon");
        config.RequireOn("use_flow_sigmas", otherwise: false);
    }

    /// <summary>
    /// Reads the factor of <see cref="Shift"/> under either name that diffusers' classes have for it, so that a file serves them all; absent: 1.
    /// </summary>
    /// <param name="config">The keys of a scheduler_config.json.</param>
    /// <param name="key">The name in the class that asks: "flow_shift", or "shift".</param>
    /// <param name="otherKey">The name in the other classes.</param>
    /// <exception cref="InvalidDataException">The value is not a finite number above 0.</exception>
    public static double ReadShift(SchedulerConfig config, string key, string otherKey) => config.GetOptionalPositive(key) ?? config.GetPositive(otherKey, 1);
}
