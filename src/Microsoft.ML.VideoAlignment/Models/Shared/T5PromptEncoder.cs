using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>
/// T5's tokens padded to one length, then its encoder with the padding masked: the text encoder of Open-Sora 1.2, and with UMT5 that of Wan. The weights are
/// opened at the first prompt, so that a run whose prompts are all in a <see cref="PromptStateCache"/> never reads them.
/// </summary>
/// <param name="tokenizer">T5's tokenizer.</param>
/// <param name="open">Opens the encoder, which belongs to this.</param>
/// <param name="countBytes">Counts the bytes that the open encoder's weights take; null: not known, and taken for 0.</param>
/// <param name="padToLongest">Whether the states of a batch stop at its longest text, where nothing reads those of padding.</param>
internal sealed class T5PromptEncoder(T5Tokenizer tokenizer, Func<IT5Encoder> open, Func<long>? countBytes = null, bool padToLongest = false)
    : ITextStateEncoder
{
    private IT5Encoder? _encoder;

    public Device Device { get; private set; } = CPU;

    public int Length => tokenizer.MaxLength;

    public long WeightBytes => countBytes?.Invoke() ?? 0;

    /// <summary>The encoder, opened if it is not.</summary>
    public IT5Encoder Encoder
    {
        get
        {
            if (_encoder is null)
            {
                _encoder = open();
                _encoder.MoveTo(Device);
            }

            return _encoder;
        }
    }

    /// <summary>Gives token ids and their mask.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <returns>int64 [B, L] each, on the CPU; fewer columns where the batch stops at its longest text.</returns>
    public TokenBatch Tokens(IReadOnlyList<string> prompts) => tokenizer.Encode(prompts, padToLongest: padToLongest);

    public TextStates Encode(IReadOnlyList<string> prompts)
    {
        using TokenBatch tokens = Tokens(prompts).RequireBelow(Encoder.Config.VocabSize, prompts);
        using Tensor ids = tokens.Ids.to(Device, copy: true);
        Tensor mask = tokens.AttentionMask.to(Device, copy: true);
        return new TextStates(Encoder.Encode(ids, mask), mask);
    }

    public int CountTruncated(string prompt) => Math.Max(0, tokenizer.ToIds(prompt).Count + 1 - tokenizer.MaxLength);

    public void MoveTo(Device device)
    {
        Device = device;
        _encoder?.MoveTo(device);
    }

    public void Release()
    {
        _encoder?.Dispose();
        _encoder = null;
    }

    public void Dispose() => Release();
}
