using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// Makes every random draw of a training run from one seed: prompts in shuffled passes over the table (each is used once before any is used again), noise,
/// window starts and frame choices.
/// </summary>
internal sealed class TrainingRandom : IResumable, IDisposable
{
    private readonly Generator _noise;
    private readonly CountedRandom _choices;
    private readonly IReadOnlyList<VideoPrompt> _prompts;
    private readonly int[] _order;
    private int _next;

    /// <summary>Begins a sequence of draws.</summary>
    /// <param name="prompts">The prompts, at least one.</param>
    /// <param name="seed">The seed.</param>
    public TrainingRandom(IReadOnlyList<VideoPrompt> prompts, ulong seed)
    {
        _prompts = prompts;
        _order = [.. Enumerable.Range(0, prompts.Count)];
        _next = _order.Length;
        _noise = new Generator(seed);
        _choices = new CountedRandom(unchecked((int)(seed ^ (seed >> 32))));
    }

    /// <summary>Draws a uniform integer.</summary>
    /// <param name="bound">The exclusive upper bound, at least 1.</param>
    /// <returns>An integer in [0, bound).</returns>
    public int Next(int bound) => _choices.Next(bound);

    /// <summary>Draws an order uniformly.</summary>
    /// <param name="count">How many numbers.</param>
    /// <returns>The numbers 0 to count - 1, permuted.</returns>
    public int[] Permutation(int count)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        _choices.Shuffle(order);
        return order;
    }

    /// <summary>Takes the next prompts.</summary>
    /// <param name="count">How many; more than there are begins another pass.</param>
    public IReadOnlyList<VideoPrompt> Prompts(int count)
    {
        var batch = new VideoPrompt[count];
        for (int row = 0; row < count; row++)
        {
            if (_next == _order.Length)
            {
                _choices.Shuffle(_order);
                _next = 0;
            }

            batch[row] = _prompts[_order[_next++]];
        }

        return batch;
    }

    /// <summary>Draws standard normal noise, float32, on the CPU, so that a seed gives the same noise on every device.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="device">The device that the noise is moved to.</param>
    public Tensor Noise(IReadOnlyList<long> shape, Device device)
    {
        return DeviceTable.Upload(randn([.. shape], dtype: ScalarType.Float32, generator: _noise), device);
    }

    /// <summary>Makes a function that draws noise for a model, in the dtype that its denoiser computes in, on its device.</summary>
    /// <param name="model">The model.</param>
    /// <returns>A function that draws standard normal noise of a shape.</returns>
    public Func<IReadOnlyList<long>, Tensor> NoiseFor(VideoDiffusionModel model) => shape => Noise(shape, model.Device).to_type(model.ComputeDtype);

    public void Save(StateWriter state)
    {
        using Tensor noise = _noise.get_state();
        state.Write("noise", noise);
        state.Write("choices", _choices.Drawn);
        state.WriteList("order", _order);
        state.Write("next", _next);
    }

    /// <inheritdoc/>
    /// <remarks>Where the table has another number of rows than it had, a new pass over it begins.</remarks>
    public void Load(StateReader state)
    {
        using (Tensor current = _noise.get_state())
        using (Tensor noise = state.ReadTensorLike("noise", current))
        {
            _noise.set_state(noise);
        }

        _choices.SkipTo(state.ReadInteger("choices", 0, CountedRandom.Longest));
        int[] order = state.ReadIntegers("order");
        bool permutation = order.Order().SequenceEqual(Enumerable.Range(0, order.Length));
        if (!permutation)
        {
            throw state.CreateFault("order", $"is not an order of {order.Length} prompts");
        }

        int next = (int)state.ReadInteger("next", 0, order.Length);
        if (order.Length == _order.Length)
        {
            order.CopyTo(_order, 0);
            _next = next;
        }
        else
        {
            _next = _order.Length;
        }
    }

    public void Dispose() => _noise.Dispose();
}
