using System.Text.Json;
using Microsoft.ML.VideoAlignment.Autoencoders;
using Microsoft.ML.VideoAlignment.Denoisers.ModelScope;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>A video model of any size with random weights, for the trainer to work on. Text states are random too: encoding a prompt is done once and costs nothing.</summary>
internal sealed class SizedModel(ModelSize size) : VideoDiffusionModel
{
    private static readonly JsonElement s_scheduler = JsonSerializer.SerializeToElement(new Dictionary<string, object>
    {
        ["_class_name"] = "DDIMScheduler",
        ["beta_start"] = 0.00085,
        ["beta_end"] = 0.012,
        ["beta_schedule"] = "scaled_linear",
        ["num_train_timesteps"] = 1000,
        ["clip_sample"] = false,
        ["set_alpha_to_one"] = true,
        ["timestep_spacing"] = "trailing",
    });

    private readonly UNet3D _unet = Benchmarks.Networks.UNet(size);
    private readonly AutoencoderKL _vae = Benchmarks.Networks.Vae(size);

    public override string Family => "random";

    public override string Source => size.Name;

    public override string Hash => "";

    public override VideoSize DefaultSize => size.Video;

    public override int SizeMultiple => _vae.SpatialFactor;

    internal override bool RecomputeBlocks
    {
        get => _unet.RecomputeBlocks;
        set => _unet.RecomputeBlocks = _vae.RecomputeBlocks = value;
    }

    internal override IReadOnlyDictionary<string, nn.Module> Networks => new Dictionary<string, nn.Module> { ["unet"] = _unet, ["vae"] = _vae };

    internal override nn.Module Denoiser => _unet;

    internal override IScheduler Scheduler { get; } = SchedulerFactory.FromConfig(s_scheduler);

    internal override Device Device => CPU;

    internal override IScheduler SwapScheduler(string className) => SchedulerFactory.FromConfig(s_scheduler, className);

    internal override void MoveTo(Device device)
    {
    }

    internal override Tensor EncodePrompts(IReadOnlyList<string> prompts)
    {
        using var generator = new Generator(5);
        return randn([prompts.Count, size.Tokens, size.UNet.CrossAttentionWidth], generator: generator);
    }

    internal override int CountTruncated(string prompt) => 0;

    internal override long[] LatentShape(int batch, VideoSize video) => [batch, size.Latents[1], video.Frames, video.Height / SizeMultiple, video.Width / SizeMultiple];

    internal override Tensor Predict(Tensor latents, double timestep, Tensor condition) => _unet.Forward(latents, timestep, condition);

    internal override Tensor Decode(Tensor latents, IReadOnlyList<int>? frames = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor chosen = frames is null ? latents : latents.index_select(2, tensor(frames.Select(frame => (long)frame).ToArray()));
        Tensor decoded = _vae.Decode(chosen.permute(0, 2, 1, 3, 4).flatten(0, 1));
        return decoded.unflatten(0, [chosen.shape[0], chosen.shape[2]]).permute(0, 2, 1, 3, 4).MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        _unet.Dispose();
        _vae.Dispose();
        base.Dispose(disposing);
    }
}
