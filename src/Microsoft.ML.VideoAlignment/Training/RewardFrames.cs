namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Which frames of a generated video are decoded and shown to the reward, in a training step and in measurements on held-out prompts. The policy belongs to the
/// trainer, not to
/// the reward. Frame indices are those of the latents; all videos of a batch show the same ones, and each held-out video its own, which never change.
/// </summary>
public abstract record RewardFrames
{
    private RewardFrames()
    {
    }

    /// <summary>One frame, drawn uniformly at each step (VADER's default: an unbiased estimate of a reward that is a mean over frames).</summary>
    public static RewardFrames OneRandom { get; } = new Random(1);

    /// <summary>Every frame.</summary>
    public static RewardFrames All { get; } = new Every();

    /// <summary><paramref name="count"/> different frames, drawn uniformly at each step, in order of time.</summary>
    public static RewardFrames RandomFrames(int count) => new Random(count);

    /// <summary><paramref name="count"/> frames evenly spread over the video.</summary>
    public static RewardFrames Spaced(int count) => new Even(count);

    /// <summary>Frames 0, <paramref name="step"/>, 2 <paramref name="step"/>, ...: with 2, what VADER's released code shows its action reward.</summary>
    public static RewardFrames EveryNth(int step) => new Strided(step > 0 ? step : throw new ArgumentOutOfRangeException(nameof(step), step, "The step must be at least 1 frame."));

    /// <summary>Exactly these frames.</summary>
    public static RewardFrames Chosen(params IReadOnlyList<int> frames) => new Fixed([.. frames]);

    /// <summary>Most frames that a step of a video of <paramref name="frames"/> frames shows.</summary>
    internal int Count(int frames) => Select(frames, static _ => 0).Count;

    /// <summary>The frames of one step, ascending. <paramref name="draw"/>: uniform integer below its argument.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The policy asks for frames that the video does not have.</exception>
    internal IReadOnlyList<int> Select(int frames, Func<int, int> draw) => this switch
    {
        Random(var count) => Sample(Within(count, 1, frames, frames), frames, draw),
        Every => [.. Enumerable.Range(0, frames)],
        Even(var count) => [.. Enumerable.Range(0, Within(count, 1, frames, frames)).Select(i => (int)((i + 0.5) * frames / count))],
        Strided(var step) => [.. Enumerable.Range(0, (frames + step - 1) / step).Select(i => i * step)],
        Fixed(var chosen) => [.. chosen.Select(frame => Within(frame, 0, frames - 1, frames))],
        _ => throw new NotSupportedException(GetType().Name),
    };

    /// <summary>Draws without replacement: a partial Fisher-Yates shuffle.</summary>
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
            : throw new ArgumentOutOfRangeException(nameof(value), value, $"Reward frames: expected {low} to {high} for a video of {frames} frames, got {value}.");

    private sealed record Random(int Drawn) : RewardFrames;

    private sealed record Every : RewardFrames;

    private sealed record Even(int Spread) : RewardFrames;

    private sealed record Strided(int Step) : RewardFrames;

    private sealed record Fixed(int[] Frames) : RewardFrames;
}
