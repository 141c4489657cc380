namespace Microsoft.ML.VideoAlignment;

/// <summary>A reward whose networks see preprocessed frames. Parts of a sum that preprocess alike share the images of a call.</summary>
public abstract class PreprocessingReward : VideoReward
{
    /// <summary>Computes the scores from frames that can be preprocessed.</summary>
    /// <param name="frames">The frames of one call, with the images that parts of a sum made of them so far.</param>
    /// <param name="prompts">B prompts; may be empty for a reward that does not read them.</param>
    /// <returns>[B]. Tensors made on the way are freed by the caller's scope; what must outlive the call is detached from it.</returns>
    protected abstract Tensor ScoreCore(PreprocessedFrames frames, IReadOnlyList<string> prompts);

    /// <inheritdoc/>
    protected sealed override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => ScoreCore(new PreprocessedFrames(frames), prompts);

    private protected sealed override Tensor ScorePrepared(PreprocessedFrames frames, IReadOnlyList<string> prompts) => ScoreCore(frames, prompts);
}
