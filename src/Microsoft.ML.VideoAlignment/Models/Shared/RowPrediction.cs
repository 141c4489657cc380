using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Predictions at a timestep of its own for each row, of denoisers whose network takes one for all.</summary>
internal static class RowPrediction
{
    /// <summary>Predicts row by row.</summary>
    /// <param name="denoiser">Whose network takes one timestep.</param>
    /// <param name="latents">[B, c, T, h, w].</param>
    /// <param name="timesteps">B timesteps.</param>
    /// <param name="condition">B rows.</param>
    /// <returns>[B, c, T, h, w].</returns>
    public static Tensor Predict(IDenoiser denoiser, Tensor latents, IReadOnlyList<double> timesteps, Condition condition)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] rows = [.. timesteps.Select((timestep, row) => denoiser.Predict(latents.narrow(0, row, 1), timestep, condition.Rows(row)))];
        return cat(rows).MoveToOuterDisposeScope();
    }
}
