using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Algorithms.Ddpo;

/// <summary>
/// Normalizes scores to advantages by the last scores of the same prompt. Reference: ddpo-pytorch, <c>PerPromptStatTracker</c> (Black et al. 2023,
/// arXiv 2305.13301, section 5.1).
/// </summary>
/// <remarks>As there, <see cref="Update"/> and <see cref="Normalize"/> add different small numbers to the deviation.</remarks>
/// <param name="capacity">Scores remembered for each prompt, at least 1.</param>
/// <param name="minimum">The number of remembered scores below which a prompt is compared with the whole batch of the update.</param>
internal sealed class PerPromptStatTracker(int capacity, int minimum) : IResumable
{
    private readonly Dictionary<string, Queue<double>> _recent = new(StringComparer.Ordinal);

    /// <summary>Remembers scores, and normalizes them by (score - mean) / (deviation + 1e-6).</summary>
    /// <param name="prompts">The prompt of each score.</param>
    /// <param name="scores">The scores.</param>
    /// <param name="rounding">The deviation that rounding alone explains: advantages over one no larger are 0. The reference divides by any deviation.</param>
    /// <returns>The advantages, in the same order.</returns>
    public double[] Update(IReadOnlyList<string> prompts, IReadOnlyList<double> scores, double rounding = 0)
    {
        (double Mean, double Deviation) all = Moments(scores);
        var advantages = new double[scores.Count];
        foreach (IGrouping<string, int> rows in Enumerable.Range(0, prompts.Count).GroupBy(row => prompts[row], StringComparer.Ordinal))
        {
            if (!_recent.TryGetValue(rows.Key, out Queue<double>? recent))
            {
                _recent[rows.Key] = recent = [];
            }

            foreach (int row in rows)
            {
                recent.Enqueue(scores[row]);
                if (recent.Count > capacity)
                {
                    recent.Dequeue();
                }
            }

            (double mean, double deviation) = recent.Count < minimum ? all : Moments(recent);
            foreach (int row in rows)
            {
                advantages[row] = deviation > rounding ? (scores[row] - mean) / (deviation + 1e-6) : 0;
            }
        }

        return advantages;
    }

    /// <summary>Gets mean and population deviation of the remembered scores of a prompt, and their number.</summary>
    /// <param name="prompt">A prompt that has scores.</param>
    public (double Mean, double Deviation, int Count) GetStatistics(string prompt)
    {
        Queue<double> recent = _recent[prompt];
        (double mean, double deviation) = Moments(recent);
        return (mean, deviation, recent.Count);
    }

    /// <summary>Normalizes scores without memory, by (score - mean) / (deviation + 1e-8) over these scores alone.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="rounding">The deviation that rounding alone explains: advantages over one no larger are 0.</param>
    /// <returns>The advantages, in the same order.</returns>
    public static double[] Normalize(IReadOnlyList<double> scores, double rounding = 0)
    {
        (double mean, double deviation) = Moments(scores);
        return [.. scores.Select(score => deviation > rounding ? (score - mean) / (deviation + 1e-8) : 0)];
    }

    public void Save(StateWriter state)
    {
        state.WriteList("prompts", [.. _recent.Keys]);
        state.WriteList("counts", [.. _recent.Values.Select(scores => scores.Count)]);
        state.WriteList("scores", [.. _recent.Values.SelectMany(scores => scores)]);
    }

    /// <inheritdoc/>
    /// <remarks>Where the capacity has become smaller, the oldest scores are forgotten.</remarks>
    public void Load(StateReader state)
    {
        _recent.Clear();
        if (state.IsEmpty)
        {
            return;
        }

        string[] prompts = state.ReadTexts("prompts");
        int[] counts = state.ReadIntegers("counts");
        double[] scores = state.ReadNumbers("scores");
        if (counts.Length != prompts.Length || counts.Sum(static count => (long)count) != scores.Length)
        {
            throw state.CreateFault("counts", $"has {counts.Length} numbers for {prompts.Length} prompts and {scores.Length} scores");
        }

        int first = 0;
        foreach ((string prompt, int count) in prompts.Zip(counts))
        {
            _recent[prompt] = new Queue<double>(scores.Skip(first).Take(count).TakeLast(capacity));
            first += count;
        }
    }

    private static (double Mean, double Deviation) Moments(IReadOnlyCollection<double> scores)
    {
        double mean = scores.Average();
        return (mean, Math.Sqrt(scores.Average(score => (score - mean) * (score - mean))));
    }
}
