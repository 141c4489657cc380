using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

// What goes in and what comes out, whatever a class of the caller's overrides.
public abstract partial class VideoReward
{
    /// <summary>Checks what goes in, scores, checks what comes out.</summary>
    /// <param name="prepared">The frames of one call.</param>
    /// <param name="prompts">B prompts.</param>
    /// <returns>[B], in the scope of the caller.</returns>
    /// <exception cref="RewardContractException">The frames, prompts or scores are not what the contract asks for.</exception>
    internal Tensor CheckedScore(PreprocessedFrames prepared, IReadOnlyList<string> prompts)
    {
        RequireAlive();
        ArgumentNullException.ThrowIfNull(prompts);
        CheckInputs(prepared.Frames, prompts);
        long[] shape = prepared.Frames.shape;
        Tensor score = ScorePrepared(prepared, prompts) ?? throw new RewardContractException($"Reward '{Name}' returned null instead of scores [{shape[0]}].");
        CheckOutput(prepared.Frames, shape, score);
        return Ops.Done(score, []).alias();
    }

    /// <summary>Scores frames whose preprocessed images are shared; the one override is <see cref="PreprocessingReward"/>'s.</summary>
    /// <param name="frames">The frames of one call.</param>
    /// <param name="prompts">B prompts.</param>
    /// <returns>[B].</returns>
    private protected virtual Tensor ScorePrepared(PreprocessedFrames frames, IReadOnlyList<string> prompts) => ScoreCore(frames.Frames, prompts);

    private void CheckInputs(Tensor frames, IReadOnlyList<string> prompts)
    {
        ArgumentNullException.ThrowIfNull(frames);
        RewardContract contract = Contract;
        if (frames.dim() != 5 || frames.shape[1] != 3)
        {
            throw new RewardContractException($"Reward '{Name}' takes frames [B, 3, T, H, W] (RGB in [0, 1]), got {Shapes.Describe(frames)}." +
                (frames.dim() == 5 && frames.shape[2] == 3 ? " Channels come before time: permute(0, 2, 1, 3, 4)." : ""));
        }

        if (!frames.is_floating_point())
        {
            throw new RewardContractException($"Reward '{Name}' takes floating-point frames in [0, 1], got {frames.dtype}. Bytes: divide by 255.");
        }

        (long batch, long count) = (frames.shape[0], frames.shape[2]);
        if (count < contract.MinimumFrames || count % contract.FrameMultiple != 0)
        {
            throw new RewardContractException($"Reward '{Name}' takes at least {contract.MinimumFrames} frames" +
                (contract.FrameMultiple > 1 ? $", a multiple of {contract.FrameMultiple}" : "") + $"; got {count} in {Shapes.Describe(frames)}.");
        }

        if (prompts.Count != batch && (contract.ReadsPrompt || prompts.Count != 0))
        {
            string hint = contract.ReadsPrompt && prompts.Count == 0
                ? " This reward compares videos with their prompts (when scoring a column, name the prompt column too)."
                : "";
            throw new RewardContractException(
                $"Reward '{Name}' takes one prompt per video: {batch} for frames {Shapes.Describe(frames)}, got {prompts.Count}.{hint}");
        }

        if (prompts.Any(prompt => prompt is null))
        {
            throw new RewardContractException($"Reward '{Name}' was given a prompt that is null. A video without words has the empty prompt.");
        }
    }

    private void CheckOutput(Tensor frames, long[] shape, Tensor score)
    {
        if (frames.IsInvalid)
        {
            throw new RewardContractException(
                $"Reward '{Name}' disposed the frames {Shapes.Describe((IEnumerable<long>)shape)} that it was given. They belong to the caller; dispose only "
                    + "tensors that the reward made.");
        }

        if (score.IsInvalid)
        {
            throw new RewardContractException(
                $"Reward '{Name}' returned a score that it has disposed. Return it outside of 'using', or move it out of the reward's own scope: "
                    + "MoveToOuterDisposeScope().");
        }

        if (score.dim() != 1 || score.shape[0] != shape[0])
        {
            throw new RewardContractException($"Reward '{Name}' must return one score per video, shape [{shape[0]}], for frames " +
                $"{Shapes.Describe((IEnumerable<long>)shape)}; it returned shape {Shapes.Describe(score)}. " +
                (score.dim() == 0 ? "Do not average over the batch." : "Reduce every axis but the first, for example with .mean([1, 2, 3, 4])."));
        }

        if (!score.is_floating_point())
        {
            throw new RewardContractException(
                $"Reward '{Name}' must return floating-point scores, got {score.dtype}. Convert counts with to_type(ScalarType.Float32).");
        }
    }
}
