using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>
/// Prompts to a condition that is their text states and, where the denoiser is told it, the frame rate. Guidance leads away from the negative prompt.
/// </summary>
/// <param name="prompts">The text encoder with its tokenizer; it belongs to this.</param>
/// <param name="tokens">Tokens of a text at most, L.</param>
/// <param name="width">Width of a token's state, D.</param>
/// <param name="tellsFrameRate">Whether the denoiser is told frames per second.</param>
internal sealed class TextConditioner(IPromptEncoder prompts, long tokens, long width, bool tellsFrameRate = false) : IConditioner
{
    /// <summary>The text encoder with its tokenizer.</summary>
    public IPromptEncoder Prompts => prompts;

    public IReadOnlyDictionary<string, nn.Module> Networks { get; } =
        new Dictionary<string, nn.Module>(StringComparer.Ordinal) { ["text_encoder"] = prompts.Network };

    public Condition Encode(VideoRequest request)
    {
        Tensor text = prompts.Encode(request.Prompts);
        return new Condition
        {
            Text = text,
            Scalars = tellsFrameRate ? ScalarOps.Full([text.shape[0], 1], request.FramesPerSecond, dtype: ScalarType.Float32, device: text.device) : null,
            Size = request.Size,
        };
    }

    public Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition> encode) =>
        encode(request with { Prompts = [.. request.Prompts.Select(_ => request.NegativePrompt)] });

    public Condition CreateEmpty(int batch, VideoSize size) => new()
    {
        Text = empty([batch, tokens, width], device: META),
        Scalars = tellsFrameRate ? empty([batch, 1], device: META) : null,
        Size = size,
    };

    public string EncoderText(string prompt, int segment, int segments) => prompt;

    public string RewardText(string prompt, int segments) => prompt;

    public int CountTruncated(string prompt, int segments) => prompts.CountTruncated(prompt);

    public void Release()
    {
        // The text encoder is small and stays.
    }

    public void MoveTo(Device device) => prompts.MoveTo(device);

    public void Dispose() => prompts.Dispose();
}
