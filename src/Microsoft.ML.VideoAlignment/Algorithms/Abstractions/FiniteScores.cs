using System.Globalization;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>Reads scores that are used as numbers; one that is not finite would be averaged, compared or remembered unseen.</summary>
internal static class FiniteScores
{
    /// <summary>Copies scores to the host and checks them.</summary>
    /// <param name="reward">The reward that gave them, for the message.</param>
    /// <param name="scores">Scores [B].</param>
    /// <param name="prompts">B prompts, for the message.</param>
    /// <returns>B scores; zeros where the tensor is on the meta device and has no numbers.</returns>
    /// <exception cref="NotFiniteNumberException">A score is NaN or infinite.</exception>
    public static double[] Require(VideoReward reward, Tensor scores, IReadOnlyList<string> prompts)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] values = HostRead.Numbers<double>(scores.to_type(ScalarType.Float64));
        int bad = Array.FindIndex(values, static value => !double.IsFinite(value));
        return bad < 0 ? values : throw new NotFiniteNumberException(string.Create(
            CultureInfo.InvariantCulture,
            $"Reward '{reward.Name}' scored the video of prompt '{Quotation.Shorten(prompts[bad])}' {values[bad]}, though its frames are finite. ")
            + "Look for divisions, logarithms and square roots in the reward, and for half precision in its networks."
            + RunContext.Current.Precision.AdviseAgainstOverflow(NetworkRole.Reward), values[bad]);
    }
}
