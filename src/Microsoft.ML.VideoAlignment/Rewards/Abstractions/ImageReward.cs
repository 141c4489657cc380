namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>A reward that scores images: the score of a video is the mean over its frames.</summary>
internal abstract class ImageReward : VideoReward
{
    /// <summary>Scores of the frames: [B, T].</summary>
    public Tensor FrameScores(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        Tensor scores = ImageScores(frames, prompts);
        return scores.view(frames.Batch, frames.Count);
    }

    /// <summary>Scores of the images [B*T], row b * T + t.</summary>
    protected abstract Tensor ImageScores(PreprocessedFrames frames, IReadOnlyList<string> prompts);

    protected sealed override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => FrameScores(new PreprocessedFrames(frames), prompts).mean([1]);

    private protected sealed override Tensor ScorePrepared(PreprocessedFrames frames, IReadOnlyList<string> prompts, IDictionary<string, Tensor>? parts) =>
        FrameScores(frames, prompts).mean([1]);
}
