using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// open_clip's BPE tokens, cut and padded with 0 to the tower's context, then the state some blocks before the last one after the final layer norm; no padding
/// mask. Reference: lvdm, <c>FrozenOpenCLIPEmbedder</c>.
/// </summary>
internal sealed class OpenClipPromptEncoder : IPromptEncoder
{
    private readonly ClipTokenizer? _tokenizer;
    private readonly OpenClipModel _network;
    private readonly int _clipSkip;
    private Device _device;

    /// <summary>Joins a tokenizer and a text tower.</summary>
    /// <param name="tokenizer">open_clip's tokenizer; null: only given token ids can be encoded.</param>
    /// <param name="network">The text tower; it belongs to this.</param>
    /// <param name="clipSkip">Blocks that are left out at the end: 1 for the layer "penultimate".</param>
    /// <exception cref="InvalidDataException">The tokenizer has ids that the tower has no embedding for.</exception>
    public OpenClipPromptEncoder(ClipTokenizer? tokenizer, OpenClipModel network, int clipSkip)
    {
        (_tokenizer, _network, _clipSkip, _device) = (tokenizer, network, clipSkip, network.parameters().First().device);
        if (tokenizer?.HighestId >= network.Text.Config.VocabSize)
        {
            throw new InvalidDataException(
                $"The tokenizer has ids up to {tokenizer.HighestId}, but the text tower has embeddings for 0 to {network.Text.Config.VocabSize - 1}. "
                    + "Give the vocabulary that belongs to this checkpoint.");
        }
    }

    public nn.Module Network => _network;

    private ClipTokenizer Tokenizer => _tokenizer ?? throw new InvalidOperationException("This model was loaded without a tokenizer; give token ids.");

    private int Length => (int)_network.Text.Config.ContextLength;

    public Tensor Tokens(IReadOnlyList<string> prompts)
    {
        using TokenBatch tokens = Tokenizer.Encode(prompts, Length).RequireBelow(_network.Text.Config.VocabSize, prompts);
        return tokens.Ids.to(_device);
    }

    public Tensor Encode(IReadOnlyList<string> prompts)
    {
        using Tensor ids = Tokens(prompts);
        return Encode(ids);
    }

    /// <summary>Encodes token ids.</summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <returns>[B, L, D].</returns>
    public Tensor Encode(Tensor ids) => _network.Text.EncodeContext(ids, _clipSkip);

    public int CountTruncated(string prompt) => Math.Max(0, Tokenizer.ToIds(prompt).Count + 2 - Length);

    public void MoveTo(Device device)
    {
        _network.to(device);
        _device = device;
    }

    public void Dispose() => _network.Dispose();
}
