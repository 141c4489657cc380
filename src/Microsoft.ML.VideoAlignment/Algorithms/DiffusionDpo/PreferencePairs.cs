using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;

/// <summary>The better and the worse of a prompt's videos.</summary>
/// <param name="Winner">Latents of the better video [1, c, T, h, w].</param>
/// <param name="Loser">Latents of the worse video [1, c, T, h, w].</param>
/// <param name="Condition">The condition of the denoiser, one row.</param>
/// <param name="Score">The pair's mean score, in the reward's own units.</param>
internal sealed record PreferencePair(Tensor Winner, Tensor Loser, Condition Condition, double Score) : IDisposable
{
    public void Dispose()
    {
        Winner.Dispose();
        Loser.Dispose();
        Condition.Dispose();
    }
}

/// <summary>Everything random or given about one micro-batch of Diffusion-DPO with B pairs, so that the gradient itself is a pure function of it.</summary>
/// <param name="Latents">Clean latents [2B, c, T, h, w]: winners, then their losers in the same order.</param>
/// <param name="Noise">Noise [B, c, T, h, w]: both videos of a pair get the same.</param>
/// <param name="Timesteps">B time steps, one for each pair.</param>
/// <param name="Condition">The condition of the denoiser, B rows.</param>
internal sealed record PreferenceBatch(Tensor Latents, Tensor Noise, long[] Timesteps, Condition Condition);

/// <summary>A queue of pairs, each queued once for each pass, in an order that is drawn for each pass.</summary>
internal sealed class PreferencePairs : IDisposable
{
    private readonly Queue<PreferencePair> _queue = [];
    private readonly Dictionary<PreferencePair, int> _uses = new(ReferenceEqualityComparer.Instance);

    public int Count => _queue.Count;

    /// <summary>Queues the pairs of a rollout, which the queue owns from now on.</summary>
    /// <param name="pairs">The pairs.</param>
    /// <param name="passes">How often each pair is queued, at least 1.</param>
    /// <param name="permutation">Draws an order of a number of pairs.</param>
    public void Add(IReadOnlyList<PreferencePair> pairs, int passes, Func<int, int[]> permutation)
    {
        for (int pass = 0; pass < passes; pass++)
        {
            foreach (int place in permutation(pairs.Count))
            {
                _queue.Enqueue(pairs[place]);
            }
        }

        foreach (PreferencePair pair in pairs)
        {
            _uses[pair] = passes;
        }
    }

    /// <summary>Removes the next pairs from the queue, which still owns them until <see cref="Release"/>.</summary>
    /// <param name="count">How many, at most <see cref="Count"/>.</param>
    public IReadOnlyList<PreferencePair> Dequeue(int count) => [.. Enumerable.Range(0, count).Select(_ => _queue.Dequeue())];

    /// <summary>Frees pairs that are not queued again; call when the pairs that were taken have been learned from.</summary>
    /// <param name="pairs">The pairs that <see cref="Dequeue"/> gave.</param>
    public void Release(IReadOnlyList<PreferencePair> pairs)
    {
        foreach (PreferencePair pair in pairs)
        {
            if (--_uses[pair] == 0)
            {
                _uses.Remove(pair);
                pair.Dispose();
            }
        }
    }

    /// <summary>Writes the pairs and their order into a run's state. Between steps no taken pair is in use, so the queue is the whole state.</summary>
    /// <param name="state">The section to write to.</param>
    public void Save(StateWriter state)
    {
        PreferencePair[] pairs = [.. _queue.Distinct(ReferenceEqualityComparer.Instance).Cast<PreferencePair>()];
        state.WriteList("scores", [.. pairs.Select(pair => pair.Score)]);
        state.WriteList("queue", [.. _queue.Select(queued => Array.FindIndex(pairs, pair => ReferenceEquals(pair, queued)))]);
        foreach ((int index, PreferencePair pair) in pairs.Index())
        {
            StateWriter section = state.AddSection($"{index}");
            section.Write("winner", pair.Winner);
            section.Write("loser", pair.Loser);
            pair.Condition.Save(section.AddSection("condition"));
        }
    }

    /// <summary>Replaces the pairs by what <see cref="Save"/> wrote; an empty section leaves none.</summary>
    /// <param name="state">The section to read.</param>
    /// <param name="device">The device that the tensors are made on.</param>
    public void Load(StateReader state, Device device)
    {
        Dispose();
        if (state.IsEmpty)
        {
            return;
        }

        PreferencePair[] pairs = [.. state.ReadNumbers("scores").Select((score, index) =>
        {
            StateReader section = state.OpenSection($"{index}");
            return new PreferencePair(
                section.ReadAnyTensor("winner", device), section.ReadAnyTensor("loser", device), Condition.Load(section.OpenSection("condition"), device),
                    score);
        })];
        foreach (int place in state.ReadIntegers("queue", 0, pairs.Length - 1))
        {
            _queue.Enqueue(pairs[place]);
            _uses[pairs[place]] = _uses.GetValueOrDefault(pairs[place]) + 1;
        }
    }

    public void Dispose()
    {
        foreach (PreferencePair pair in _uses.Keys)
        {
            pair.Dispose();
        }

        _uses.Clear();
        _queue.Clear();
    }
}
