using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Algorithms.Ddpo;

/// <summary>What one backward pass learns from: a few videos, and one denoising step of each.</summary>
/// <param name="Rows">Numbers of the videos in the rollout.</param>
/// <param name="Steps">The denoising step of each, in sampling order from 0.</param>
internal sealed record PolicyMicroBatch(int[] Rows, int[] Steps);

/// <summary>The orders in which one pass over a rollout takes its videos, and each video's denoising steps.</summary>
/// <param name="Videos">A permutation of the N videos in the order of the pass before.</param>
/// <param name="Steps">For each place after that permutation one of its steps, in the order of the pass before.</param>
internal sealed record MinibatchOrder(int[] Videos, int[][] Steps)
{
    /// <summary>Draws orders uniformly.</summary>
    /// <param name="draws">The run's random draws.</param>
    /// <param name="videos">Videos of the rollout.</param>
    /// <param name="steps">Denoising steps of each.</param>
    public static MinibatchOrder Draw(TrainingRandom draws, int videos, int steps) =>
        new(draws.Permutation(videos), [.. Enumerable.Range(0, videos).Select(_ => draws.Permutation(steps))]);
}

/// <summary>A rollout buffer and its remaining micro-batches. Reference: the inner loops of ddpo-pytorch's training script.</summary>
internal sealed class RolloutBuffer : IDisposable
{
    private readonly Queue<PolicyMicroBatch> _remaining;

    /// <summary>Creates a buffer from a rollout.</summary>
    /// <param name="samples">The rollout of N videos, which the buffer disposes.</param>
    /// <param name="advantages">The N videos' advantages.</param>
    /// <param name="scores">The N videos' scores, in the reward's own units.</param>
    /// <param name="orders">One order for each inner epoch.</param>
    /// <param name="batchSize">Videos of a micro-batch.</param>
    /// <param name="trainedSteps">Steps of each video that are learned from.</param>
    public RolloutBuffer(
        PolicySamples samples, IReadOnlyList<double> advantages, IReadOnlyList<double> scores, IEnumerable<MinibatchOrder> orders, int batchSize,
        int trainedSteps)
    {
        (Samples, Advantages, Scores) = (samples, advantages, scores);
        long[] shape = samples.LogProbabilities.shape; // [N, S]
        _remaining = new Queue<PolicyMicroBatch>(Reorder((int)shape[0], (int)shape[1], orders, batchSize, trainedSteps));
    }

    private RolloutBuffer(PolicySamples samples, IReadOnlyList<double> advantages, IReadOnlyList<double> scores, IEnumerable<PolicyMicroBatch> rest) =>
        (Samples, Advantages, Scores, _remaining) = (samples, advantages, scores, new Queue<PolicyMicroBatch>(rest));

    public PolicySamples Samples { get; }

    public IReadOnlyList<double> Advantages { get; }

    public IReadOnlyList<double> Scores { get; }

    public bool IsExhausted => _remaining.Count == 0;

    /// <summary>Removes the next micro-batch.</summary>
    public PolicyMicroBatch Dequeue() => _remaining.Dequeue();

    /// <summary>Writes the rollout and its remaining micro-batches into a run's state.</summary>
    /// <param name="state">The section to write to.</param>
    public void Save(StateWriter state)
    {
        Samples.Save(state.AddSection("samples"));
        state.WriteList("advantages", Advantages);
        state.WriteList("scores", Scores);
        state.WriteList("sizes", [.. _remaining.Select(batch => batch.Rows.Length)]);
        state.WriteList("rows", [.. _remaining.SelectMany(batch => batch.Rows)]);
        state.WriteList("steps", [.. _remaining.SelectMany(batch => batch.Steps)]);
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="state">The section to read.</param>
    /// <param name="device">The device that the tensors are made on.</param>
    /// <returns>The buffer, which owns its samples.</returns>
    public static RolloutBuffer Load(StateReader state, Device device)
    {
        double[] advantages = state.ReadNumbers("advantages"), scores = state.ReadNumbers("scores");
        int[] sizes = state.ReadIntegers("sizes", 1);
        var samples = PolicySamples.Load(state.OpenSection("samples"), device);
        try
        {
            (int videos, int steps) = ((int)samples.LogProbabilities.shape[0], (int)samples.LogProbabilities.shape[1]);
            int[] rows = state.ReadIntegers("rows", 0, videos - 1), times = state.ReadIntegers("steps", 0, steps - 1);
            if (advantages.Length != videos || scores.Length != videos || rows.Length != times.Length || sizes.Sum(static size => (long)size) != rows.Length)
            {
                throw state.CreateFault("sizes", $"and the lists beside it do not fit {videos} videos");
            }

            var rest = new List<PolicyMicroBatch>();
            int first = 0;
            foreach (int size in sizes)
            {
                rest.Add(new PolicyMicroBatch(rows[first..(first + size)], times[first..(first + size)]));
                first += size;
            }

            return new RolloutBuffer(samples, advantages, scores, rest);
        }
        catch
        {
            samples.Dispose();
            throw;
        }
    }

    public void Dispose() => Samples.Dispose();

    // Each pass shuffles the order of the one before: videos first, then each video's steps.
    private static IEnumerable<PolicyMicroBatch> Reorder(int videos, int steps, IEnumerable<MinibatchOrder> orders, int batchSize, int learntSteps)
    {
        int[] order = [.. Enumerable.Range(0, videos)];
        int[][] times = [.. order.Select(_ => Enumerable.Range(0, steps).ToArray())];
        foreach (MinibatchOrder next in orders)
        {
            order = [.. next.Videos.Select(place => order[place])];
            times = [.. next.Videos.Select((from, place) => next.Steps[place].Select(step => times[from][step]).ToArray())];
            foreach (int[] places in Enumerable.Range(0, videos).Chunk(batchSize))
            {
                for (int step = 0; step < learntSteps; step++)
                {
                    yield return new PolicyMicroBatch([.. places.Select(place => order[place])], [.. places.Select(place => times[place][step])]);
                }
            }
        }
    }
}
