using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// A reward: frames and prompts in, one score per video out. It holds no loss, no target and no sign; the trainer does. Rewards add up and take
/// weights: <c>aesthetic * 1.5f + preference</c>; a sum owns its parts and disposes them.
/// </summary>
public abstract class VideoReward : IDisposable
{
    /// <summary>Scores that are sums of thousands of rounded terms differ by some units in the last place though nothing differs.</summary>
    private const double RoundingUnits = 16;

    /// <summary>From 1 to the next number.</summary>
    private const double Float32Unit = 1.0 / (1 << 23);

    private bool _disposed;

    /// <summary>A short name for logs and tables.</summary>
    public abstract string Name { get; }

    /// <summary>What the reward expects and gives.</summary>
    public abstract RewardContract Contract { get; }

    /// <summary>How to make this reward again from its files, for a saved model.</summary>
    /// <exception cref="NotSupportedException">The reward is code of the caller's, which no file can hold.</exception>
    internal virtual RewardReference Reference => throw new NotSupportedException(
        $"Reward '{Name}' ({GetType().Name}) is code of your own and cannot be written into a model file. Save the model without its reward, " +
        "and make the reward anew after loading.");

    /// <summary>
    /// Scores videos. Shapes and counts are checked on both sides; values are not (that would wait for the device in each training step):
    /// <see cref="RewardContractCheck.RequireUnitRange"/> does where frames come from outside.
    /// </summary>
    /// <param name="frames">[B, 3, T, H, W], RGB in [0, 1].</param>
    /// <param name="prompts">B prompts; may be empty for a reward that does not read them.</param>
    /// <returns>[B]; carries gradient to <paramref name="frames"/> where the contract says so. The caller owns it.</returns>
    /// <exception cref="RewardContractException">The frames or prompts are not what the contract asks for, or the score is not [B].</exception>
    /// <exception cref="ObjectDisposedException">The reward, or a part of it, has been disposed.</exception>
    public Tensor Score(Tensor frames, IReadOnlyList<string> prompts)
    {
        using DisposeScope scope = NewDisposeScope();
        return CheckedScore(new PreprocessedFrames(frames), prompts, parts: null).MoveToOuterDisposeScope();
    }

    /// <summary>As <see cref="Score(Tensor, IReadOnlyList{string})"/>, with the scores of the parts of a sum, by name and before weights.</summary>
    /// <param name="frames">[B, 3, T, H, W], RGB in [0, 1].</param>
    /// <param name="prompts">B prompts; may be empty for a reward that does not read them.</param>
    /// <param name="parts">Name -> [B]; one entry for a reward that has no parts. The caller owns the tensors.</param>
    public Tensor Score(Tensor frames, IReadOnlyList<string> prompts, out IReadOnlyDictionary<string, Tensor> parts)
    {
        using DisposeScope scope = NewDisposeScope();
        var named = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        Tensor score = CheckedScore(new PreprocessedFrames(frames), prompts, named).MoveToOuterDisposeScope();
        if (named.Count == 0)
        {
            named[Name] = score.alias();
        }

        parts = named.ToDictionary(part => part.Key, part => part.Value.MoveToOuterDisposeScope(), StringComparer.Ordinal);
        return score;
    }

    /// <summary>As <see cref="Score(Tensor, IReadOnlyList{string})"/>, where it is known what the scores are for.</summary>
    internal Tensor Score(Tensor frames, IReadOnlyList<string> prompts, ScoreUse use)
    {
        using DisposeScope scope = NewDisposeScope();
        return CheckedScore(new PreprocessedFrames(frames, use), prompts, parts: null).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Scores [B] of every reward that a sum is made of, for algorithms that score many batches before they learn from any: what the sum is follows from all
    /// of them (<see cref="Combine"/>). One for a reward that has no parts.
    /// </summary>
    internal virtual IReadOnlyList<Tensor> ScoreParts(PreprocessedFrames frames, IReadOnlyList<string> prompts) => [CheckedScore(frames, prompts, parts: null)];

    /// <summary>How many scores <see cref="ScoreParts"/> gives for a video.</summary>
    internal virtual int PartCount => 1;

    /// <summary>Puts the scores of <see cref="ScoreParts"/> together. The caller owns the result.</summary>
    /// <param name="parts">Each [N], of all videos that are scored for one purpose.</param>
    /// <param name="use">What the scores are for.</param>
    internal virtual Tensor Combine(IReadOnlyList<Tensor> parts, ScoreUse use) => parts[0].alias();

    /// <summary>
    /// How much the result of <see cref="Combine"/> may differ by rounding alone: so many units of float32, in which networks compute scores, of the largest
    /// part.
    /// </summary>
    /// <param name="parts">What was combined.</param>
    internal virtual double RoundingOf(IReadOnlyList<Tensor> parts)
    {
        using Tensor largest = parts[0].abs().amax();
        return RoundingUnits * Float32Unit * Ops.Number(largest);
    }

    /// <summary>
    /// Called when a run of training begins, after the trial call: what changes from graded call to graded call (masks drawn, running means) starts anew, so
    /// that equal runs are equal.
    /// </summary>
    internal virtual void BeginTraining()
    {
    }

    /// <summary>Writes what <see cref="BeginTraining"/> starts anew, so that a run can go on in another process.</summary>
    internal virtual void SaveTraining(StateWriter state)
    {
    }

    /// <summary>Replaces it by what <see cref="SaveTraining"/> wrote.</summary>
    internal virtual void LoadTraining(StateReader state)
    {
    }

    /// <summary>The networks that frames pass through, for conversions to another dtype; none for code of the caller's.</summary>
    internal virtual IEnumerable<nn.Module> Networks => [];

    /// <summary>Everything that its networks hold, encoders of prompts included; none for code of the caller's.</summary>
    internal virtual IEnumerable<Tensor> Stored => Networks.SelectMany(static network => network.parameters().Concat(network.buffers()));

    /// <summary>
    /// The same reward of networks that have shapes and no memory (<see cref="MetaOps"/>), for estimates of what scoring takes; the caller disposes it. It knows no
    /// text: what a prompt says has no part in shapes. Null: this reward cannot.
    /// </summary>
    internal virtual VideoReward? OnMeta() => null;

    /// <summary>Moves the reward's networks.</summary>
    public abstract void MoveTo(Device device);

    /// <summary>Throws where a prompt can never be scored, so that a run is told of it before it begins.</summary>
    /// <exception cref="RewardContractException">The reward reads prompts and cannot read one of these.</exception>
    internal virtual void RequirePrompts(IEnumerable<string> prompts)
    {
    }

    /// <summary>
    /// Says that no other prompts will come. A reward with a text encoder encodes these now and frees the encoder (for HPS v2 and PickScore more than a third of
    /// the weights); from then on another prompt is an error. The default does nothing.
    /// </summary>
    /// <param name="prompts">Every prompt that will be scored, those of trial calls included.</param>
    public virtual void RestrictToPrompts(IReadOnlyList<string> prompts)
    {
    }

    /// <summary>The score itself; <see cref="Score(Tensor, IReadOnlyList{string})"/> has checked the arguments and will check the result.</summary>
    /// <param name="frames">[B, 3, T, H, W], RGB in [0, 1]. Not to be disposed or changed.</param>
    /// <param name="prompts">B prompts; may be empty for a reward that does not read them.</param>
    /// <returns>[B]. Tensors made on the way are freed by the caller's scope; what must outlive the call is detached from it.</returns>
    protected abstract Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts);

    /// <summary>The same for rewards of this library, which share images prepared alike and report parts.</summary>
    private protected virtual Tensor ScorePrepared(PreprocessedFrames frames, IReadOnlyList<string> prompts, IDictionary<string, Tensor>? parts) =>
        ScoreCore(frames.Frames, prompts);

    /// <summary>Throws where the reward has been disposed: its networks are gone.</summary>
    /// <exception cref="ObjectDisposedException">It has been.</exception>
    internal virtual void RequireAlive()
    {
        if (_disposed)
        {
            throw new ObjectDisposedException(
                GetType().Name,
                $"The reward '{Name}' has been disposed. Dispose a reward after everything that uses it: estimators, scoring transformers, and sums, which "
                    + "dispose their parts; make it again to use it again.");
        }
    }

    /// <summary>Checks what goes in, scores, checks what comes out.</summary>
    internal Tensor CheckedScore(PreprocessedFrames prepared, IReadOnlyList<string> prompts, IDictionary<string, Tensor>? parts)
    {
        RequireAlive();
        ArgumentNullException.ThrowIfNull(prompts);
        CheckInputs(prepared.Frames, prompts);
        Tensor score = ScorePrepared(prepared, prompts, parts)
            ?? throw new RewardContractException($"Reward '{Name}' returned null instead of scores [{prepared.Frames.shape[0]}].");
        long batch = prepared.Frames.shape[0];
        if (score.dim() != 1 || score.shape[0] != batch)
        {
            throw new RewardContractException($"Reward '{Name}' must return one score per video, shape [{batch}], for frames " +
                $"{Shapes.Describe(prepared.Frames)}; it returned shape {Shapes.Describe(score)}. " +
                (score.dim() == 0 ? "Do not average over the batch." : "Reduce every axis but the first, for example with .mean([1, 2, 3, 4])."));
        }

        return score.alias();
    }

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
            throw new RewardContractException($"Reward '{Name}' takes one prompt per video: {batch} for frames {Shapes.Describe(frames)}, got {prompts.Count}." +
                (contract.ReadsPrompt && prompts.Count == 0 ? " This reward compares videos with their prompts (when scoring a column, name the prompt column too)." : ""));
        }

        if (prompts.Any(prompt => prompt is null))
        {
            throw new RewardContractException($"Reward '{Name}' was given a prompt that is null. A video without words has the empty prompt.");
        }
    }

    /// <summary>The reward with a weight; a negative weight turns its direction round.</summary>
    public static VideoReward operator *(VideoReward reward, float weight) => Multiply(reward, weight);

    /// <inheritdoc cref="op_Multiply(VideoReward, float)"/>
    public static VideoReward operator *(float weight, VideoReward reward) => Multiply(reward, weight);

    /// <summary>The sum of two rewards; it owns both.</summary>
    public static VideoReward operator +(VideoReward left, VideoReward right) => Add(left, right);

    /// <inheritdoc cref="op_Multiply(VideoReward, float)"/>
    public static VideoReward Multiply(VideoReward reward, float weight) => new RewardMix([(reward, weight)]);

    /// <inheritdoc cref="op_Addition(VideoReward, VideoReward)"/>
    public static VideoReward Add(VideoReward left, VideoReward right) => new RewardMix([(left, 1f), (right, 1f)]);

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the reward owns. May be called twice.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}
