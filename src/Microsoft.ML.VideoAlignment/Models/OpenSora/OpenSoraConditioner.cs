using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Prompts in Open-Sora's notation to T5 states with their mask, and the frame rate. Guidance leads away from a learned null text.</summary>
/// <param name="text">The text encoder with its tokenizer; it belongs to this.</param>
/// <param name="network">The denoiser, whose null text is learned.</param>
/// <param name="settings">How prompts are written for the text encoder.</param>
/// <param name="device">Where the networks are.</param>
internal sealed class OpenSoraConditioner(ITextStateEncoder text, STDiT3 network, OpenSoraPromptSettings settings, Device device) : IConditioner
{
    /// <summary>Frames a second where the request names none.</summary>
    internal const double UsualFramesPerSecond = 24;

    private Device _device = device;

    /// <summary>The text encoder with its tokenizer.</summary>
    public ITextStateEncoder TextEncoder => text;

    /// <summary>How prompts are written for the text encoder.</summary>
    public OpenSoraPromptSettings PromptSettings => settings;

    /// <summary>None: the text encoder is opened and freed by itself.</summary>
    public IReadOnlyDictionary<string, nn.Module> Networks { get; } = new Dictionary<string, nn.Module>();

    public long ReopenedBytes => text.WeightBytes;

    public Condition Encode(VideoRequest request)
    {
        TextStates states = text.Encode([.. request.Prompts.Select(prompt => EncoderText(prompt, request.Segment, request.Segments))]);
        double rate = request.Size.Frames == 1 ? OpenSoraSizes.ImageFramesPerSecond
            : request.FramesPerSecond > 0 ? request.FramesPerSecond : UsualFramesPerSecond;
        return new Condition
        {
            Text = states.States.to(_device),
            TextMask = states.Mask.to(_device),
            Scalars = ScalarOps.Full([request.Prompts.Count, 1], rate, dtype: ScalarType.Float32, device: _device),
            TextLengths = HostRead.UsedColumns(states.Mask),
            FrameRates = [.. request.Prompts.Select(_ => (float)rate)],
            Size = request.Size,
        };
    }

    /// <inheritdoc/>
    /// <remarks>The null text has as many tokens as the prompt: the reference uses the prompt's mask for both.</remarks>
    public Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition> encode) =>
        request.NegativePrompt.Length == 0
        ? Unconditional(conditional)
        : throw new NotSupportedException(
            $"{VideoModelFamily.OpenSora} leads away from a learned null text and takes no negative prompt; leave it empty, got "
            + $"'{Quotation.Shorten(request.NegativePrompt)}'.");

    /// <summary>Makes the branch that guidance leads away from.</summary>
    /// <param name="conditional">The other branch, B rows.</param>
    public Condition Unconditional(Condition conditional) => conditional with
    {
        Text = network.NullText.to_type(conditional.Text.dtype).unsqueeze(0).repeat(conditional.Text.shape[0], 1, 1),
        TextMask = conditional.TextMask?.alias(),
        Scalars = conditional.Scalars?.alias(),
        ImageLatents = conditional.ImageLatents?.alias(),
        FrameMask = conditional.FrameMask?.alias(),
    };

    public Condition CreateEmpty(int batch, VideoSize size) => new()
    {
        Text = empty([batch, network.Config.MaxTokens, network.Config.CaptionChannels], device: META),
        TextMask = empty([batch, network.Config.MaxTokens], dtype: ScalarType.Int64, device: META),
        Scalars = empty([batch, 1], device: META),
        TextLengths = [.. Enumerable.Repeat(network.Config.MaxTokens, batch)],
        FrameRates = [.. Enumerable.Repeat((float)UsualFramesPerSecond, batch)],
        Size = size,
    };

    public string EncoderText(string prompt, int segment, int segments) => settings.GetText(prompt, settings.GetLoop(segment, segments));

    /// <inheritdoc/>
    /// <remarks>The cleaned text of the loop without its scores (VADER's train script); of a video those of its segments, one after another.</remarks>
    public string RewardText(string prompt, int segments) =>
        string.Join(", ", settings.GetTexts(prompt, segments).Select(OpenSoraPrompt.RewardText).Distinct());

    public int CountTruncated(string prompt, int segments) => settings.GetTexts(prompt, segments).Max(text.CountTruncated);

    public void Release() => text.Release();

    public void MoveTo(Device device)
    {
        text.MoveTo(device);
        _device = device;
    }

    public void Dispose() => text.Dispose();
}
