using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Which frames of a generated video are decoded and shown to the reward, in training and in validation. All videos of a training batch show the same frames;
/// each validation video has its own, which never change.
/// </summary>
/// <remarks>
/// The choice belongs to the trainer, not to the reward. Frames are counted from 0, of the video, or of its latents with
/// <see cref="RewardOptions.LatentFrames"/>.
/// </remarks>
public abstract record RewardFrames
{
    private RewardFrames()
    {
    }

    /// <summary>One frame, drawn uniformly at each step: VADER's default, an unbiased estimate of a reward that is a mean over frames.</summary>
    public static RewardFrames OneRandom { get; } = new Random(1);

    /// <summary>Every frame.</summary>
    public static RewardFrames All { get; } = new Every();

    /// <summary>Shows different frames, drawn uniformly at each step, in order of time.</summary>
    /// <param name="count">How many, from 1 to the video's frames.</param>
    public static RewardFrames RandomFrames(int count) => new Random(count);

    /// <summary>Shows frames evenly spread over the video.</summary>
    /// <param name="count">How many, from 1 to the video's frames.</param>
    public static RewardFrames Spaced(int count) => new Even(count);

    /// <summary>Shows frames 0, step, 2 step, ...: with 2, what VADER's released code shows its action reward.</summary>
    /// <param name="step">The distance of two frames, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step is below 1.</exception>
    public static RewardFrames EveryNth(int step) =>
        new Strided(step > 0 ? step : throw new ArgumentOutOfRangeException(nameof(step), step, "The step must be at least 1 frame."));

    /// <summary>
    /// Shows windows of consecutive frames that begin at 0, stride, 2 stride, ..., the last one ending at the last frame: the score of a video is the mean of
    /// the scores of its windows. For rewards of whole videos.
    /// </summary>
    /// <remarks>
    /// A long video made of several segments is then seen at the pace that the reward was trained at, and windows lie over the joints as well: of three
    /// segments of 8 frames, <c>Windows(8, 4)</c> shows 0 to 7, 4 to 11, ..., 16 to 23. Each frame is decoded once; the reward runs once, with all windows as
    /// a batch.
    /// </remarks>
    /// <param name="length">Frames of a window, from 1 to the video's frames; what the reward takes.</param>
    /// <param name="stride">The distance of the beginnings of two windows, at least 1; above the length frames between windows are not shown.</param>
    /// <exception cref="ArgumentOutOfRangeException">Length or stride is below 1.</exception>
    public static RewardFrames Windows(int length, int stride) => new Windowed(
        length > 0 ? length : throw new ArgumentOutOfRangeException(nameof(length), length, "RewardFrames.Windows: a window must have at least 1 frame."),
        stride > 0 ? stride : throw new ArgumentOutOfRangeException(
            nameof(stride), stride, "RewardFrames.Windows: the stride must be at least 1 frame. For a single window give the video's frames as the length."));

    /// <summary>Shows exactly the given frames.</summary>
    /// <param name="frames">Frame numbers, at least one, ascending, each in the video.</param>
    /// <exception cref="ArgumentException">There are none, or they are not ascending.</exception>
    public static RewardFrames Chosen(params IReadOnlyList<int> frames)
    {
        ArgumentNullException.ThrowIfNull(frames);
        var chosen = new NumberList(frames);
        if (chosen.Count == 0)
        {
            throw new ArgumentException("Reward frames: expected at least one frame, got none.", nameof(frames));
        }

        return chosen.Zip(chosen.Skip(1)).All(static pair => pair.First < pair.Second)
            ? new Fixed(chosen)
            : throw new ArgumentException($"Reward frames: expected ascending frames, each once, got {chosen}.", nameof(frames));
    }

    /// <summary>Counts the frames that a step shows.</summary>
    /// <param name="frames">Frames of the video.</param>
    /// <exception cref="ArgumentOutOfRangeException">The choice asks for frames that the video does not have.</exception>
    internal int Count(int frames) => Select(frames, static _ => 0).Count;

    /// <summary>Whether the reward is shown several windows of a video, whose scores are averaged.</summary>
    internal bool IsWindowed => this is Windowed;

    /// <summary>Counts the frames that the reward is shown at a time: those of a window, or all that a step shows.</summary>
    /// <param name="frames">Frames of the video.</param>
    /// <exception cref="ArgumentOutOfRangeException">The choice asks for frames that the video does not have.</exception>
    internal int CountTogether(int frames) => FindWindows(frames) is [var first, ..] ? first.Length : Count(frames);

    /// <summary>Finds the windows of a video.</summary>
    /// <param name="frames">Frames of the video.</param>
    /// <returns>For each window the places of its frames among those that <see cref="Select"/> gives; null: all are shown together.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A window is longer than the video.</exception>
    internal IReadOnlyList<int[]>? FindWindows(int frames)
    {
        if (this is not Windowed(var length, _) windowed)
        {
            return null;
        }

        int[] shown = windowed.ListFrames(frames);
        return [.. windowed.ListStarts(frames).Select(start => Enumerable.Range(Array.IndexOf(shown, start), length).ToArray())];
    }

    /// <summary>Selects the frames of one step.</summary>
    /// <param name="frames">Frames of the video.</param>
    /// <param name="draw">Draws a uniform integer in [0, argument).</param>
    /// <returns>Frame numbers, ascending.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The choice asks for frames that the video does not have.</exception>
    internal IReadOnlyList<int> Select(int frames, Func<int, int> draw) => this switch
    {
        Random(var count) => Sample(Within(count, 1, frames, frames), frames, draw),
        Every => [.. Enumerable.Range(0, frames)],
        Even(var count) => [.. Enumerable.Range(0, Within(count, 1, frames, frames)).Select(i => (int)((i + 0.5) * frames / count))],
        Strided(var step) => [.. Enumerable.Range(0, (frames + step - 1) / step).Select(i => i * step)],
        Windowed windowed => windowed.ListFrames(frames),
        Fixed(var chosen) => [.. chosen.Select(frame => Within(frame, 0, frames - 1, frames))],
        _ => throw new NotSupportedException(GetType().Name),
    };

    // Draws without replacement: a partial Fisher-Yates shuffle.
    private static int[] Sample(int count, int frames, Func<int, int> draw)
    {
        int[] order = [.. Enumerable.Range(0, frames)];
        for (int i = 0; i < count; i++)
        {
            int other = i + draw(frames - i);
            (order[i], order[other]) = (order[other], order[i]);
        }

        return [.. order.Take(count).Order()];
    }

    private static int Within(int value, int low, int high, int frames) =>
        value >= low && value <= high
            ? value
            : throw new ArgumentOutOfRangeException(
                nameof(value), value, $"Reward frames: expected {low} to {high} for a video of {frames} frames, got {value}.");

    private sealed record Random(int Drawn) : RewardFrames
    {
        public override string ToString() => $"{Drawn} at random";
    }

    private sealed record Every : RewardFrames
    {
        public override string ToString() => "all";
    }

    private sealed record Even(int Spread) : RewardFrames
    {
        public override string ToString() => $"{Spread} evenly spread";
    }

    private sealed record Strided(int Step) : RewardFrames
    {
        public override string ToString() => $"0, {Step}, {2L * Step}, ...";
    }

    private sealed record Windowed(int Length, int Stride) : RewardFrames
    {
        // Each frame once, ascending.
        public int[] ListFrames(int frames) => [.. ListStarts(frames).SelectMany(start => Enumerable.Range(start, Length)).Distinct().Order()];

        public IEnumerable<int> ListStarts(int frames)
        {
            int last = frames - Length;
            if (last < 0)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(frames), frames, $"Reward frames: a window of {Length} frames does not fit into a video of {frames}. Give RewardFrames.Windows a "
                    + $"length of at most {frames}, or make longer videos.");
            }

            return Enumerable.Range(0, (last / Stride) + 1).Select(i => i * Stride).Append(last).Distinct();
        }

        public override string ToString() => $"windows of {Length} frames, every {Stride}";
    }

    private sealed record Fixed(NumberList Frames) : RewardFrames
    {
        public override string ToString() => $"{Frames}";
    }
}
