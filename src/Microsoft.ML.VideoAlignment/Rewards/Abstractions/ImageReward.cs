using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>A reward that scores images: the score of a video is the mean over its frames.</summary>
public abstract class ImageReward : PreprocessingReward
{
    /// <summary>Scores the frames.</summary>
    /// <param name="frames">The frames of one call.</param>
    /// <param name="prompts">B prompts; may be empty for a reward that does not read them.</param>
    /// <returns>[B, T].</returns>
    /// <exception cref="RewardContractException">There is not one score for each image.</exception>
    internal Tensor FrameScores(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        long images = frames.Batch * frames.Count;
        Tensor scores = ImageScores(frames, prompts);
        return scores is { IsInvalid: false } && scores.dim() == 1 && scores.shape[0] == images
            ? scores.view(frames.Batch, frames.Count)
            : throw new RewardContractException(
                $"Reward '{Name}' must return one score per image, shape [{images}] (row b * T + t is frame t of video b), "
                + $"for frames {Shapes.Describe(frames.Frames)}; it returned "
                + $"{(scores is null or { IsInvalid: true } ? "null or a disposed tensor" : $"shape {Shapes.Describe(scores)}")}.");
    }

    /// <summary>Scores the images of a call.</summary>
    /// <param name="frames">The frames of one call; <see cref="PreprocessedFrames.Images"/> makes images of them.</param>
    /// <param name="prompts">B prompts; may be empty for a reward that does not read them.</param>
    /// <returns>[B*T], row b * T + t is frame t of video b.</returns>
    protected abstract Tensor ImageScores(PreprocessedFrames frames, IReadOnlyList<string> prompts);

    /// <inheritdoc/>
    protected sealed override Tensor ScoreCore(PreprocessedFrames frames, IReadOnlyList<string> prompts) => FrameScores(frames, prompts).mean([1]);
}
