using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// Wan's text states: the prompt is cleaned and encoded with its padding masked, and rows beyond the text are zeros, to which the denoiser attends like to any
/// other. Reference: diffusers' WanPipeline.
/// </summary>
/// <remarks>The encoder may stop at the longest text of a batch: what it would make of padding is not kept.</remarks>
/// <param name="inner">UMT5 with its tokenizer, or the files of its states; it belongs to this.</param>
internal sealed class WanPromptEncoder(ITextStateEncoder inner) : ITextStateEncoder
{
    /// <summary>Rows of published models; those with an image branch take no other number.</summary>
    public const int PublishedLength = 512;

    /// <summary>What encodes the cleaned prompts.</summary>
    public ITextStateEncoder Inner => inner;

    public Device Device => inner.Device;

    public int Length => inner.Length;

    public long WeightBytes => inner.WeightBytes;

    /// <inheritdoc/>
    /// <returns>States with <see cref="Length"/> rows, zeros beyond the text, and their mask.</returns>
    public TextStates Encode(IReadOnlyList<string> prompts)
    {
        using TextStates states = inner.Encode([.. prompts.Select(PromptText.Clean)]);
        return new TextStates(T5States.ZeroPadding(states.States, states.Mask, Length), T5States.PadMask(states.Mask, Length));
    }

    public int CountTruncated(string prompt) => inner.CountTruncated(PromptText.Clean(prompt));

    public void MoveTo(Device device) => inner.MoveTo(device);

    public void Release() => inner.Release();

    public void Dispose() => inner.Dispose();
}
