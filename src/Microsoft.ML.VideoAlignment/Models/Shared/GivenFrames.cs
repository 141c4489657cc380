using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Latent frames that a condition gives instead of their being made (<see cref="Condition.FrameMask"/>).</summary>
internal static class GivenFrames
{
    /// <summary>Puts the frames in place that are given.</summary>
    /// <param name="latents">[B, c, T', h, w].</param>
    /// <param name="condition">What is given, B rows.</param>
    /// <param name="edited">Whether also those frames that are made from an image.</param>
    /// <returns>[B, c, T', h, w].</returns>
    public static Tensor Insert(Tensor latents, Condition condition, bool edited)
    {
        if (condition.ImageLatents is not { } given)
        {
            return latents.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor mask = condition.FrameMask!;
        Tensor taken = (edited ? mask.NotEqualTo(1) : mask.EqualTo(0)).unsqueeze(1).unsqueeze(-1).unsqueeze(-1); // [B, 1, T', 1, 1]
        return where(taken, given, latents).MoveToOuterDisposeScope();
    }
}
