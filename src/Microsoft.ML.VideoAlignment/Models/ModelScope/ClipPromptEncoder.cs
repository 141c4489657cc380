using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Models.ModelScope;

/// <summary>
/// CLIP BPE tokens padded to the tokenizer's length, then the text encoder's last state after its final layer norm; no padding mask, as
/// diffusers.TextToVideoSDPipeline.
/// </summary>
/// <param name="tokenizer">CLIP's tokenizer.</param>
/// <param name="network">The text encoder; it belongs to this.</param>
internal sealed class ClipPromptEncoder(ClipTokenizer tokenizer, ClipTextEncoder network) : IPromptEncoder
{
    private Device _device = network.parameters().First().device;

    public nn.Module Network => network;

    public Tensor Tokens(IReadOnlyList<string> prompts)
    {
        using TokenBatch tokens = tokenizer.Encode(prompts).RequireBelow(network.Config.VocabSize, prompts);
        return tokens.Ids.to(_device);
    }

    public Tensor Encode(IReadOnlyList<string> prompts)
    {
        using Tensor ids = Tokens(prompts);
        return network.EncodeContext(ids);
    }

    public int CountTruncated(string prompt) => Math.Max(0, tokenizer.ToIds(prompt).Count + 2 - tokenizer.MaxLength);

    public void MoveTo(Device device)
    {
        network.to(device);
        _device = device;
    }

    public void Dispose() => network.Dispose();
}
