using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// Everything in a VideoCrafter checkpoint: denoiser, autoencoder, text tower and the schedule's buffers. Reference: lvdm, <c>LatentDiffusion</c>; its names
/// become keys by <see cref="Keys"/>.
/// </summary>
internal sealed class VideoCrafterNetworks : nn.Module
{
    private const string UNetPrefix = "model.diffusion_model.", AutoencoderPrefix = "first_stage_model.", TextPrefix = "cond_stage_model.model.";

    [ComponentName(Name = "unet")]
    private readonly VideoCrafterUNet _unet;

    [ComponentName(Name = "vae")]
    private readonly AutoencoderKL _vae;

    [ComponentName(Name = "text")]
    private readonly OpenClipModel _text;

    [ComponentName(Name = "schedule")]
    private readonly VideoCrafterScheduleBuffers _schedule;

    /// <summary>Makes the networks, not filled.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    public VideoCrafterNetworks(VideoCrafterConfig config, Placement placement)
        : base(nameof(VideoCrafterNetworks))
    {
        _unet = new VideoCrafterUNet(config.UNet, placement);
        _vae = new AutoencoderKL(config.Autoencoder, placement);
        _text = new OpenClipModel(config.Text, OpenClipHalves.Text, placement);
        _schedule = new VideoCrafterScheduleBuffers(config.Scheduler, placement.Device);
        RegisterComponents();
    }

    /// <summary>The denoiser.</summary>
    public VideoCrafterUNet UNet => _unet;

    /// <summary>The autoencoder.</summary>
    public AutoencoderKL Vae => _vae;

    /// <summary>open_clip's text half.</summary>
    public OpenClipModel TextModel => _text;

    /// <summary>The schedule's buffers, which are only compared with the configuration's.</summary>
    public VideoCrafterScheduleBuffers Schedule => _schedule;

    /// <summary>Maps the checkpoint's names, without what DeepSpeed puts before them: every part's own map after its prefix.</summary>
    /// <param name="config">The model's configuration.</param>
    public static KeyMap Keys(VideoCrafterConfig config)
    {
        (string Prefix, string Part, KeyMap Map)[] parts =
        [
            (UNetPrefix, "unet", VideoCrafterUNet.Keys),
            (AutoencoderPrefix, "vae", VideoCrafterAutoencoder.CreateKeys(config.Autoencoder.BlockOutChannels.Count)),
            (TextPrefix, "text", OpenClipModel.CreateKeyMap(OpenClipHalves.Text)),
        ];
        return new KeyMap
        {
            Rename = name =>
            {
                (string prefix, string part, KeyMap map) = parts.FirstOrDefault(known => name.StartsWith(known.Prefix, StringComparison.Ordinal));
                return IgnoredCheckpointKeys.IsIgnored(name) ? null
                    : prefix is null ? $"schedule.{name}"
                    : map.MapName(name[prefix.Length..]) is { } key ? $"{part}.{key}" : null;
            },
            Reshape = [.. parts.SelectMany(part => part.Map.Reshape.Select(pattern => $"{part.Part}.{pattern}"))],
        };
    }
}
