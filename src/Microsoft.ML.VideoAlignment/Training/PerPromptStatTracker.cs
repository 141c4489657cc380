using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// How much better than usual a score is, for its own prompt: the last scores of each prompt are remembered. Reference: ddpo-pytorch,
/// <c>PerPromptStatTracker</c> (Black et al. 2023, arXiv 2305.13301, section 5.1); its two ways add different small numbers to the deviation.
/// </summary>
/// <param name="capacity">Scores remembered for each prompt.</param>
/// <param name="minimum">Scores of a prompt below which it is measured against the update's whole batch.</param>
internal sealed class PerPromptStatTracker(int capacity, int minimum) : IResumable
{
    private readonly Dictionary<string, Queue<double>> _recent = new(StringComparer.Ordinal);

    /// <summary>Remembers the scores, then gives (score - mean) / (deviation + 1e-6) for each, in order.</summary>
    /// <param name="prompts">Of each score.</param>
    /// <param name="scores">The scores.</param>
    /// <param name="rounding">A deviation that says nothing: advantages against it are 0. The reference divides by what there is.</param>
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

    /// <summary>Mean and population deviation of what is remembered of a prompt, and how many scores that is.</summary>
    public (double Mean, double Deviation, int Count) Recent(string prompt)
    {
        Queue<double> recent = _recent[prompt];
        (double mean, double deviation) = Moments(recent);
        return (mean, deviation, recent.Count);
    }

    /// <summary>The way without memory: (score - mean) / (deviation + 1e-8) over these scores.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="rounding">As of <see cref="Update"/>.</param>
    public static double[] Global(IReadOnlyList<double> scores, double rounding = 0)
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

        string[] prompts = state.Texts("prompts");
        int[] counts = state.Integers("counts");
        double[] scores = state.Numbers("scores");
        if (counts.Length != prompts.Length || counts.Sum(static count => (long)count) != scores.Length)
        {
            throw state.Fault("counts", $"has {counts.Length} numbers for {prompts.Length} prompts and {scores.Length} scores");
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
