using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// A reward: frames and prompts in, one score per video out. It holds no loss, no target and no sign (the trainer does), and rewards add up and take
/// weights: <c>aesthetic * 1.5f + preference</c>.
/// </summary>
/// <remarks>
/// A class of your own overrides <see cref="Name"/>, <see cref="Contract"/> and <see cref="ScoreCore"/>. Everything else that the rewards of this library
/// use is optional: <see cref="Networks"/> (moved, offloaded, converted to float64 and disposed with the reward), <see cref="ToMeta"/> (memory estimates),
/// <see cref="BeginTraining"/>, <see cref="SaveTraining"/> and <see cref="LoadTraining"/> (what changes from call to call), <see cref="RequirePrompts"/>,
/// <see cref="PreparePrompts"/> and <see cref="StoredForPrompts"/> (networks that read prompts alone), and <see cref="Save"/> together with
/// <see cref="VideoRewards.Register"/> (model files). Derive from <see cref="ImageReward"/> or <see cref="PreprocessingReward"/> to share preprocessed images
/// with the other parts of a sum.
/// </remarks>
public abstract partial class VideoReward : IDisposable
{
    /// <summary>A short name for logs and tables.</summary>
    public abstract string Name { get; }

    /// <summary>What the reward expects and gives.</summary>
    public abstract RewardContract Contract { get; }

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
        return CheckedScore(new PreprocessedFrames(frames), prompts).MoveToOuterDisposeScope();
    }

    /// <summary>Scores videos and reports the scores of the parts of a sum, by name and before weights.</summary>
    /// <param name="frames">[B, 3, T, H, W], RGB in [0, 1].</param>
    /// <param name="prompts">B prompts; may be empty for a reward that does not read them.</param>
    /// <param name="parts">Name -> [B]; one entry for a reward that has no parts. The caller owns the tensors.</param>
    /// <returns>[B]; carries gradient to <paramref name="frames"/> where the contract says so. The caller owns it.</returns>
    /// <exception cref="RewardContractException">The frames or prompts are not what the contract asks for, or the score is not [B].</exception>
    /// <exception cref="ObjectDisposedException">The reward, or a part of it, has been disposed.</exception>
    public Tensor Score(Tensor frames, IReadOnlyList<string> prompts, out IReadOnlyDictionary<string, Tensor> parts)
    {
        using DisposeScope scope = NewDisposeScope();
        var named = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        Tensor score = CheckedScore(new PreprocessedFrames(frames) { PartScores = named }, prompts).MoveToOuterDisposeScope();
        if (named.Count == 0)
        {
            named[Name] = score.alias();
        }

        parts = named.ToDictionary(part => part.Key, part => part.Value.MoveToOuterDisposeScope(), StringComparer.Ordinal);
        return score;
    }

    /// <summary>Scores videos for a known purpose.</summary>
    /// <param name="frames">[B, 3, T, H, W], RGB in [0, 1].</param>
    /// <param name="prompts">B prompts; may be empty for a reward that does not read them.</param>
    /// <param name="use">What the scores are for.</param>
    /// <returns>[B]; the caller owns it.</returns>
    internal Tensor Score(Tensor frames, IReadOnlyList<string> prompts, ScoreUse use)
    {
        using DisposeScope scope = NewDisposeScope();
        return CheckedScore(new PreprocessedFrames(frames, use), prompts).MoveToOuterDisposeScope();
    }

    /// <summary>Computes the scores; <see cref="Score(Tensor, IReadOnlyList{string})"/> has checked the arguments and will check the result.</summary>
    /// <param name="frames">[B, 3, T, H, W], RGB in [0, 1]. They belong to the caller: not to be disposed or changed in place.</param>
    /// <param name="prompts">B prompts; may be empty for a reward that does not read them.</param>
    /// <returns>[B]. Tensors made on the way are freed by the caller's scope; what must outlive the call is detached from it.</returns>
    protected abstract Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts);

    /// <summary>
    /// The networks that belong to the reward: <see cref="MoveTo"/> moves them, a gradient check converts them to float64, <see cref="Dispose()"/> frees them.
    /// </summary>
    /// <value>The same modules at each call, with weights that require no gradient. Default: none.</value>
    protected internal virtual IEnumerable<nn.Module> Networks => [];

    /// <summary>Everything that the reward keeps on its device, for memory estimates. Default: parameters and buffers of <see cref="Networks"/>.</summary>
    protected internal virtual IEnumerable<Tensor> Stored => Networks.SelectMany(static network => network.parameters().Concat(network.buffers()));

    /// <summary>The part of <see cref="Stored"/> that <see cref="PreparePrompts"/> moves into the CPU's memory, for memory estimates. Default: none.</summary>
    protected internal virtual IEnumerable<Tensor> StoredForPrompts => [];

    /// <summary>Moves the reward. The default moves <see cref="Networks"/>; a reward that keeps tensors of its own moves these too.</summary>
    /// <param name="device">Where frames will be.</param>
    /// <exception cref="ObjectDisposedException">The reward has been disposed.</exception>
    public virtual void MoveTo(Device device)
    {
        RequireAlive();
        foreach (nn.Module network in Networks)
        {
            network.to(device);
        }
    }

    /// <summary>
    /// Makes a twin whose networks are on libtorch's meta device (shapes, no memory), on which a memory estimate runs the reward. It is given empty prompts,
    /// and an operation that libtorch lacks on that device leaves only the weights counted.
    /// </summary>
    /// <returns>
    /// A new reward with the same contract as to frames, which the caller disposes; null (default): not known, so that only <see cref="Stored"/> is counted.
    /// </returns>
    protected internal virtual VideoReward? ToMeta() => null;

    /// <summary>Says how a model file names the reward, so that the function given to <see cref="VideoRewards.Register"/> can make it again.</summary>
    /// <returns>A registered kind with files and settings; null (default): the reward cannot be saved.</returns>
    protected internal virtual SavedReward? Save() => null;

    /// <summary>
    /// Starts a run of training, after the trial call: whatever changes from call to call with gradient (random draws, running means) starts anew, so that
    /// equal runs are equal. The default does nothing.
    /// </summary>
    protected internal virtual void BeginTraining()
    {
    }

    /// <summary>Writes what <see cref="BeginTraining"/> resets, so that an interrupted run can go on in another process.</summary>
    /// <returns>A text for <see cref="LoadTraining"/>; null (default): nothing changes from call to call.</returns>
    protected internal virtual string? SaveTraining() => null;

    /// <summary>Restores what <see cref="SaveTraining"/> wrote; afterwards that method returns the same text.</summary>
    /// <param name="state">The text. It comes from a file that may have been changed.</param>
    /// <exception cref="FormatException">The text is not one of <see cref="SaveTraining"/>.</exception>
    protected internal virtual void LoadTraining(string state) =>
        throw new FormatException($"{GetType().Name} writes a state and does not override {nameof(LoadTraining)}");

    /// <summary>Throws where a prompt can never be scored, so that a run fails before it begins. The default accepts any prompt.</summary>
    /// <param name="prompts">Prompts of a run, in any order and number.</param>
    /// <exception cref="RewardContractException">The reward cannot score one of these; the message names it.</exception>
    protected internal virtual void RequirePrompts(IEnumerable<string> prompts)
    {
    }

    /// <summary>
    /// Prepares for the prompts of a run. <c>Fit</c> calls it on a GPU, before the first step: a reward with a text encoder encodes them and moves the encoder
    /// into the CPU's memory until the result is disposed.
    /// </summary>
    /// <remarks>
    /// Other prompts may still come, from the program's other threads too, and the scores of all are what they were. Runs may overlap. While the encoder waits,
    /// <see cref="MoveTo"/> leaves it where it is.
    /// </remarks>
    /// <param name="prompts">Every prompt of the run, as the reward reads it.</param>
    /// <param name="cancellation">Canceled when the run is: prompts that are left then need not be encoded.</param>
    /// <returns>Brings back the encoder when it is disposed, after the run; null (default): nothing was moved.</returns>
    /// <exception cref="RewardContractException">A prompt is not among those of <see cref="RestrictToPrompts"/>.</exception>
    protected internal virtual IDisposable? PreparePrompts(IReadOnlyList<string> prompts, CancellationToken cancellation) => null;

    /// <summary>
    /// Announces that no other prompts will come. A reward with a text encoder encodes these now and frees the encoder (for HPS v2 and PickScore more than a
    /// third of the weights); from then on another prompt is an error.
    /// </summary>
    /// <remarks>
    /// The default does nothing. For training on a GPU there is no need of it: the encoder waits in the CPU's memory (<see cref="PreparePrompts"/>).
    /// </remarks>
    /// <param name="prompts">Every prompt that will be scored, those of trial calls included.</param>
    public virtual void RestrictToPrompts(IReadOnlyList<string> prompts)
    {
    }

    /// <summary>Frees what the reward owns; called once. The default disposes <see cref="Networks"/>.</summary>
    /// <param name="disposing">Always true: a reward has no finalizer.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (nn.Module network in Networks)
            {
                network.Dispose();
            }
        }
    }

    // What the library calls; none of it can be overridden outside it.

    /// <summary>How a model file names this reward.</summary>
    /// <exception cref="NotSupportedException">The reward does not say how it is saved.</exception>
    internal virtual RewardReference Reference => RewardReference.FromSaved(Save() ?? throw new NotSupportedException(
        $"Reward '{Name}' ({GetType().Name}) is code of your own that does not say how it is saved. Save the model without its reward and make the reward "
        + $"anew after loading, or override {nameof(Save)} and give its kind to VideoRewards.Register."));

    /// <summary>Writes the state of training into a run's files.</summary>
    /// <param name="state">The reward's section.</param>
    internal virtual void WriteTraining(StateWriter state)
    {
        if (SaveTraining() is { } text)
        {
            state.Write(StateEntry, text);
        }
    }

    /// <summary>Restores what <see cref="WriteTraining"/> wrote.</summary>
    /// <param name="state">The reward's section.</param>
    /// <exception cref="RunFolderException">The state does not fit the reward.</exception>
    internal virtual void ReadTraining(StateReader state)
    {
        if (!state.Has(StateEntry) && SaveTraining() is null)
        {
            return;
        }

        string text = state.ReadText(StateEntry);
        try
        {
            LoadTraining(text);
        }
        catch (FormatException error)
        {
            throw state.CreateFault(StateEntry, $"cannot be read by the reward '{Name}': {error.Message}");
        }

        if (SaveTraining() is var restored && restored != text)
        {
            throw state.CreateFault(
                StateEntry,
                $"is '{text}', and the reward '{Name}' has '{restored}' after loading it: {nameof(SaveTraining)} and {nameof(LoadTraining)} do not agree");
        }
    }

    /// <summary>
    /// Scores every reward that a sum is made of, for algorithms that score many batches before they learn from any: what the sum is follows from all of them
    /// (<see cref="Combine"/>).
    /// </summary>
    /// <param name="frames">The frames of one call.</param>
    /// <param name="prompts">B prompts.</param>
    /// <returns>[B] of each plain reward; one for a reward that has no parts.</returns>
    internal virtual IReadOnlyList<Tensor> ScoreParts(PreprocessedFrames frames, IReadOnlyList<string> prompts) => [CheckedScore(frames, prompts)];

    /// <summary>How many scores <see cref="ScoreParts"/> gives for a video.</summary>
    internal virtual int PartCount => 1;

    /// <summary>Puts the scores of <see cref="ScoreParts"/> together.</summary>
    /// <param name="parts">Each [N], of all videos that are scored for one purpose.</param>
    /// <param name="use">What the scores are for.</param>
    /// <returns>[N]; the caller owns it.</returns>
    internal virtual Tensor Combine(IReadOnlyList<Tensor> parts, ScoreUse use) => parts[0].alias();

    /// <summary>Bounds by how much the result of <see cref="Combine"/> may differ by rounding alone.</summary>
    /// <param name="parts">What was combined.</param>
    /// <returns>Some units of float32, in which networks compute scores, of the largest part.</returns>
    internal virtual double BoundRounding(IReadOnlyList<Tensor> parts)
    {
        using Tensor largest = parts[0].abs().amax();
        return RoundingUnits * Float32Unit * HostRead.Number(largest);
    }

    private const string StateEntry = "state";

    /// <summary>Scores that are sums of thousands of rounded terms differ by some units in the last place though nothing differs.</summary>
    private const double RoundingUnits = 16;

    /// <summary>From 1 to the next number.</summary>
    private const double Float32Unit = 1.0 / (1 << 23);
}
