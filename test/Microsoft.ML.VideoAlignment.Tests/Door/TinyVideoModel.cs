using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// A whole text-to-video model in two linear layers, without files: for tests of what ML.NET sees. It really samples and really trains, in
/// milliseconds, and counts what it is asked for.
/// </summary>
internal sealed class TinyVideoModel(string source = "tiny", string hash = "ab12", bool readsImages = false) : VideoDiffusionModel
{
    private const string SchedulerJson =
        """
        {
          "_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000,
          "set_alpha_to_one": true, "clip_sample": false
        }
        """;

    private readonly TwoLayers _network = new();
    private Device _device = CPU;
    private readonly Tensor _toPixels = Ramp(4, 3).DetachFromDisposeScope();

    /// <summary>Videos made without gradient.</summary>
    public int Generations { get; private set; }

    /// <summary>Videos made in training.</summary>
    public int GradientVideos { get; private set; }

    public int Disposals { get; private set; }

    public override string Family => "Tiny";

    public override string Source => source;

    public override string Hash => hash;

    public override VideoSize DefaultSize => new(2, 4, 8);

    public override int SizeMultiple => 4;

    internal override ActivationMemory Activations { get; set; }

    internal override IReadOnlyDictionary<string, nn.Module> Networks => new Dictionary<string, nn.Module> { ["unet"] = _network };

    internal override nn.Module Denoiser => _network;

    internal override SamplingDefaults DefaultSampling => new(3, 2);

    internal override IScheduler Scheduler { get; } = SchedulerFactory.FromConfig(JsonDocument.Parse(SchedulerJson).RootElement);

    internal override Device Device => _device;

    internal override IScheduler SwapScheduler(string className) => SchedulerFactory.FromConfig(JsonDocument.Parse(SchedulerJson).RootElement, className);

    /// <summary>The weights stay where they are: a device is a name here.</summary>
    internal override void MoveTo(Device device)
    {
        Moving?.Invoke(device);
        _device = device;
    }

    /// <summary>Told of each move, before it is made.</summary>
    public Action<Device>? Moving { get; set; }

    /// <summary>Told of each call of the network.</summary>
    public Action? Predicting { get; set; }

    /// <summary>What the prediction at a timestep is multiplied by; 1 by default.</summary>
    public Func<double, double> PredictionFactor { get; set; } = static _ => 1;

    /// <summary>What the decoder's output is multiplied by.</summary>
    public double DecoderFactor { get; set; } = 1;

    internal override int CountTruncated(string prompt, int segments) => Math.Max(0, prompt.Length - 40);

    internal override ImageUse Images => readsImages ? ImageUse.Required : ImageUse.None;

    /// <summary>Rows that were encoded.</summary>
    public int Encodings { get; private set; }

    /// <summary>How often the text encoder was freed.</summary>
    public int Releases { get; private set; }

    internal override bool TextEncoderReopens => true;

    internal override void ReleaseTextEncoder() => Releases++;

    /// <summary>[B, 1, 4] from the text, or from the mean color of the image.</summary>
    internal override Condition Encode(VideoRequest request)
    {
        Encodings += request.Prompts.Count;
        Tensor text = readsImages
            ? nn.functional.pad(request.Images!.mean([2, 3]), [0, 1]).unsqueeze(1)
            : stack([.. request.Prompts.Select(prompt =>
                tensor([.. SHA256.HashData(Encoding.UTF8.GetBytes(prompt)).Take(4).Select(value => (value / 128f) - 1)]).unsqueeze(0))]);
        return new Condition { Text = text, Size = request.Size };
    }

    internal override long[] LatentShape(int batch, VideoSize size) => [batch, 4, size.Frames, size.Height / 4, size.Width / 4];

    internal override Tensor Predict(Tensor latents, double timestep, Condition condition)
    {
        Predicting?.Invoke();
        using DisposeScope scope = NewDisposeScope();
        Tensor x = latents.permute(0, 2, 3, 4, 1) + condition.Text.view(-1, 1, 1, 1, 4) + (timestep / 1000); // [B, T, h, w, 4]
        Tensor y = _network.call(x).permute(0, 4, 1, 2, 3);
        return (PredictionFactor(timestep) is not 1 and var factor ? y * factor : y).MoveToOuterDisposeScope();
    }

    internal override Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null)
    {
        using DisposeScope scope = NewDisposeScope();
        (Generations, GradientVideos) = latents.requires_grad ? (Generations, GradientVideos + 1) : (Generations + 1, GradientVideos);
        Tensor taken = chosen is null ? latents : latents.index_select(2, tensor(chosen.Select(frame => (long)frame).ToArray()));
        Tensor pixels = taken.permute(0, 2, 3, 4, 1).matmul(_toPixels).tanh().permute(0, 4, 1, 2, 3); // [B, 3, f, h, w]
        return (pixels * (0.9 * DecoderFactor)).repeat_interleave(4, 3).repeat_interleave(4, 4).MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        Disposals++;
        _network.Dispose();
        _toPixels.Dispose();
        base.Dispose(disposing);
    }

    private static Tensor Ramp(long rows, long columns) => arange(rows * columns, dtype: ScalarType.Float32).sin().view(rows, columns);

    private sealed class TwoLayers : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "to_hidden")]
        private readonly Linear _hidden = new(4, 8, Placement.Cpu);

        [ComponentName(Name = "to_q")]
        private readonly Linear _out = new(8, 4, Placement.Cpu);

        public TwoLayers()
            : base(nameof(TwoLayers))
        {
            RegisterComponents();
            using IDisposable guard = no_grad();
            foreach (var parameter in parameters())
            {
                using Tensor ramp = arange(parameter.numel(), dtype: ScalarType.Float32).sin() * 0.5;
                using Tensor shaped = ramp.view(parameter.shape);
                parameter.copy_(shaped);
            }
        }

        public override Tensor forward(Tensor x) => _out.call(_hidden.call(x).tanh());
    }
}
