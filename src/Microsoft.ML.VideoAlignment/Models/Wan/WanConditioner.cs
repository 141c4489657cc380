using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>Prompts to UMT5's states, every row of which the denoiser reads. Guidance leads away from a negative prompt, with the same images.</summary>
/// <param name="text">The text encoder with its tokenizer; it belongs to this.</param>
/// <param name="networks">The model's networks; the image encoder among them belongs to this.</param>
/// <param name="form">How images are given.</param>
/// <param name="device">Where the networks are.</param>
internal sealed class WanConditioner(ITextStateEncoder text, WanNetworks networks, WanImageForm form, Device device) : IConditioner
{
    private Device _device = device;

    /// <summary>The text encoder with its tokenizer.</summary>
    public ITextStateEncoder TextEncoder => text;

    /// <summary>What makes states of images; null where the denoiser reads none.</summary>
    public WanImageEncoder? ImageEncoder => networks.ImageEncoder;

    /// <summary>The image encoder where there is one; the text encoder is opened and freed by itself.</summary>
    public IReadOnlyDictionary<string, nn.Module> Networks { get; } = networks.ImageEncoder is { } encoder
        ? new Dictionary<string, nn.Module>(StringComparer.Ordinal) { ["image_encoder"] = encoder.Network }
        : new Dictionary<string, nn.Module>(StringComparer.Ordinal);

    public IEnumerable<string> TextEncoders => [];

    public long ReopenedBytes => text.WeightBytes;

    public Condition Encode(VideoRequest request)
    {
        TextStates states = text.Encode(request.Prompts);
        states.Mask.Dispose();
        return new Condition { Text = states.States.to(_device), Size = request.Size };
    }

    public Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition> encode)
    {
        string[] negative = [.. request.Prompts.Select(_ => request.NegativePrompt)];
        Condition texts = encode(request with { Prompts = negative, Images = null, References = [] });
        return conditional with
        {
            Text = texts.Text,
            ImageLatents = conditional.ImageLatents?.alias(),
            ImageStates = conditional.ImageStates?.alias(),
            FrameMask = conditional.FrameMask?.alias(),
        };
    }

    public Condition CreateEmpty(int batch, VideoSize size)
    {
        WanTransformerConfig config = networks.HighNoise.Config;
        WanVaeConfig vae = networks.Vae.Config;
        return new Condition
        {
            Text = empty([batch, text.Length, config.TextWidth], device: META),
            ImageLatents = form != WanImageForm.Channels ? null : empty(
                [batch, config.InChannels - config.OutChannels, vae.LatentFrames(size.Frames), size.Height / vae.SpatialFactor, size.Width / vae.SpatialFactor],
                device: META),
            ImageStates = networks.ImageEncoder is { } encoder
                ? empty([batch, networks.LeastImages(form) * encoder.Tokens, encoder.Network.Config.HiddenSize], device: META) : null,
            Size = size,
        };
    }

    public string EncoderText(string prompt, int segment, int segments) => PromptText.Clean(prompt);

    public string RewardText(string prompt, int segments) => prompt;

    public int CountTruncated(string prompt, int segments) => text.CountTruncated(prompt);

    public void Release() => text.Release();

    public void MoveTo(Device device)
    {
        text.MoveTo(device);
        networks.ImageEncoder?.Network.to(device);
        _device = device;
    }

    public void Dispose()
    {
        text.Dispose();
        networks.ImageEncoder?.Dispose();
    }
}
