using System.Globalization;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>
/// Notes on the device, without waiting for it, whether the numbers of each denoising step are finite, and reads the notes once, when the run is over. Notes
/// live in the scope that is outer to a step's.
/// </summary>
/// <param name="sampler">Whose steps they are.</param>
/// <param name="prompts">The rows' prompts, for the message; empty: not known.</param>
internal sealed class FiniteLatents(ISampler sampler, IReadOnlyList<string> prompts)
{
    private readonly List<(int Step, Tensor Prediction, Tensor Latents)> _notes = [];

    /// <summary>Notes whether a step's numbers are finite.</summary>
    /// <param name="step">Its index.</param>
    /// <param name="prediction">The guided prediction [B, ...].</param>
    /// <param name="latents">What the sampler made of it [B, ...].</param>
    public void Note(int step, Tensor prediction, Tensor latents)
    {
        if (!MetaOps.IsMeta(latents))
        {
            _notes.Add((step, FiniteVideo.AreRowsFinite(prediction).MoveToOuterDisposeScope(), FiniteVideo.AreRowsFinite(latents).MoveToOuterDisposeScope()));
        }
    }

    /// <summary>Throws where the last step's latents are not finite.</summary>
    /// <exception cref="NotFiniteNumberException">They are not.</exception>
    public void Require()
    {
        if (_notes.Count == 0 || FiniteVideo.FindNotFinite(_notes[^1].Latents) is not { } row)
        {
            return;
        }

        (int step, Tensor prediction, _) = _notes.First(note =>
            FiniteVideo.FindNotFinite(note.Latents) is not null || FiniteVideo.FindNotFinite(note.Prediction) is not null);
        bool network = FiniteVideo.FindNotFinite(prediction) is not null;
        string where = string.Create(
            CultureInfo.InvariantCulture, $"in denoising step {step + 1} of {sampler.Timesteps.Count} (timestep {sampler.Timesteps[step]:g6})");
        throw new NotFiniteNumberException(network
            ? $"The denoiser's prediction {where} is not finite{FiniteVideo.DescribeRow(row, prompts)}. Half precision may have overflowed (try another "
                + "VideoModelOptions.Precision), the guidance scale or a LoRA strength may be too large, or training has diverged (a lower learning rate)."
                + RunContext.Current.Precision.AdviseAgainstOverflow(NetworkRole.Denoiser)
            : $"The sampler's latents {where} are not finite{FiniteVideo.DescribeRow(row, prompts)}, though the denoiser's prediction is. "
                + "Take fewer Sampling.Steps, or another Sampling.Sampler.");
    }
}
