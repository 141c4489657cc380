using Microsoft.ML.VideoAlignment.Pipelines;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// Every random draw of a training run, from one seed: prompts in shuffled passes over the table (each is used once before any is used again), noise,
/// window starts and frame choices.
/// </summary>
internal sealed class TrainingDraws : IDisposable
{
    private readonly Generator _noise;
    private readonly System.Random _choices;
    private readonly VideoPrompt[] _prompts;
    private int _next;

    public TrainingDraws(IReadOnlyList<VideoPrompt> prompts, ulong seed)
    {
        _prompts = [.. prompts];
        _next = _prompts.Length;
        _noise = new Generator(seed);
        _choices = new System.Random(unchecked((int)(seed ^ (seed >> 32))));
    }

    /// <summary>A uniform integer in [0, bound).</summary>
    public int Below(int bound) => _choices.Next(bound);

    /// <summary>0 to <paramref name="count"/> - 1 in an order drawn uniformly.</summary>
    public int[] Permutation(int count)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        _choices.Shuffle(order);
        return order;
    }

    /// <summary>The next <paramref name="count"/> prompts.</summary>
    public IReadOnlyList<VideoPrompt> Prompts(int count)
    {
        var batch = new VideoPrompt[count];
        for (int row = 0; row < count; row++)
        {
            if (_next == _prompts.Length)
            {
                _choices.Shuffle(_prompts);
                _next = 0;
            }

            batch[row] = _prompts[_next++];
        }

        return batch;
    }

    /// <summary>Standard normal, float32, drawn on the CPU so that a seed means the same on every device.</summary>
    public Tensor Noise(IReadOnlyList<long> shape, Device device)
    {
        using Tensor drawn = randn([.. shape], dtype: ScalarType.Float32, generator: _noise);
        return drawn.to(device);
    }

    public void Dispose() => _noise.Dispose();
}
