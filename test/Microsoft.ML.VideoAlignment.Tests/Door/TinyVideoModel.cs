using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// A whole text-to-video model in two linear layers, without files: for tests of what ML.NET sees. It really samples and really trains, in
/// milliseconds, and counts what it is asked for.
/// </summary>
internal sealed class TinyVideoModel : IDisposable
{
    private const string SchedulerJson =
        """
        {
          "_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000,
          "set_alpha_to_one": true, "clip_sample": false
        }
        """;

    private readonly TwoLayers _network = new();
    private readonly Tensor _toPixels = Ramp(4, 3).DetachFromDisposeScope();

    /// <param name="source">Where it says it is from.</param>
    /// <param name="hash">What it says its weights' hash is.</param>
    /// <param name="readsImages">Whether it makes videos from images.</param>
    public TinyVideoModel(string source = "tiny", string hash = "ab12", bool readsImages = false) => Model = new VideoDiffusionModel(new ModelParts
    {
        Traits = Traits with { Images = readsImages ? ImageUse.Required : ImageUse.None, TakesNegativePrompt = !readsImages },
        Source = source,
        Hash = () => hash,
        Conditioner = new TinyConditioner(this, readsImages),
        Denoiser = new TinyDenoiser(this),
        Decoder = new TinyDecoder(this),
        Samplers = new ConfiguredSamplers(JsonDocument.Parse(SchedulerJson).RootElement),
        Sizes = new MultipleSizes(Traits.Family, new VideoSize(2, 4, 8), 4),
        Sampling = new SamplingDefaults(3, 2),
        Device = CPU,
    });

    /// <summary>The family.</summary>
    public static ModelTraits Traits { get; } = new() { Family = "Tiny", ReopensTextEncoder = true };

    /// <summary>The model itself.</summary>
    public VideoDiffusionModel Model { get; }

    /// <summary>Videos made without gradient.</summary>
    public int Generations { get; private set; }

    /// <summary>Videos made in training.</summary>
    public int GradientVideos { get; private set; }

    public int Disposals { get; private set; }

    /// <summary>Rows that were encoded.</summary>
    public int Encodings { get; private set; }

    /// <summary>How often the text encoder was freed.</summary>
    public int Releases { get; private set; }

    /// <summary>Told of each move, before it is made.</summary>
    public Action<Device>? Moving { get; set; }

    /// <summary>Told of each call of the network.</summary>
    public Action? Predicting { get; set; }

    /// <summary>What the prediction at a timestep is multiplied by; 1 by default.</summary>
    public Func<double, double> PredictionFactor { get; set; } = static _ => 1;

    /// <summary>What the decoder's output is multiplied by.</summary>
    public double DecoderFactor { get; set; } = 1;

    public string Source => Model.Source;

    public Device Device => Model.Device;

    public nn.Module Denoiser => Model.Denoiser;

    public static implicit operator VideoDiffusionModel(TinyVideoModel model) => model.Model;

    public void Dispose() => Model.Dispose();

    private sealed class TinyConditioner(TinyVideoModel owner, bool readsImages) : IConditioner
    {
        public IReadOnlyDictionary<string, nn.Module> Networks { get; } = new Dictionary<string, nn.Module>();

        /// <summary>[B, 1, 4] from the text, or from the mean color of the image.</summary>
        public Condition Encode(VideoRequest request)
        {
            owner.Encodings += request.Prompts.Count;
            Tensor text = readsImages
                ? nn.functional.pad(request.Images!.mean([2, 3]), [0, 1]).unsqueeze(1)
                : stack([.. request.Prompts.Select(prompt =>
                    tensor([.. SHA256.HashData(Encoding.UTF8.GetBytes(prompt)).Take(4).Select(value => (value / 128f) - 1)]).unsqueeze(0))]);
            return new Condition { Text = text, Size = request.Size };
        }

        public Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition> encode) =>
            encode(request with { Prompts = [.. request.Prompts.Select(_ => request.NegativePrompt)] });

        public Condition CreateEmpty(int batch, VideoSize size) => new() { Text = empty([batch, 1, 4], device: META), Size = size };

        public string EncoderText(string prompt, int segment, int segments) => prompt;

        public string RewardText(string prompt, int segments) => prompt;

        public int CountTruncated(string prompt, int segments) => Math.Max(0, prompt.Length - 40);

        public void Release() => owner.Releases++;

        public void MoveTo(Device device)
        {
        }

        public void Dispose()
        {
        }
    }

    private sealed class TinyDenoiser(TinyVideoModel owner) : IDenoiser
    {
        public string Name => "unet";

        public nn.Module Network => owner._network;

        public long[] LatentShape(int batch, VideoSize size) => [batch, 4, size.Frames, size.Height / 4, size.Width / 4];

        public Tensor Predict(Tensor latents, double timestep, Condition condition)
        {
            owner.Predicting?.Invoke();
            using DisposeScope scope = NewDisposeScope();
            Tensor x = latents.permute(0, 2, 3, 4, 1) + condition.Text.view(-1, 1, 1, 1, 4) + (timestep / 1000); // [B, T, h, w, 4]
            Tensor y = owner._network.call(x).permute(0, 4, 1, 2, 3);
            return (owner.PredictionFactor(timestep) is not 1 and var factor ? y * factor : y).MoveToOuterDisposeScope();
        }

        public Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition) =>
            RowPrediction.Predict(this, latents, timesteps, condition);

        public IDenoiser OnMeta() => throw new NotSupportedException("The memory of a Tiny model cannot be estimated.");

        /// <summary>The weights stay where they are: a device is a name here.</summary>
        public void MoveTo(Device device) => owner.Moving?.Invoke(device);

        public void Dispose()
        {
            owner.Disposals++;
            owner._network.Dispose();
        }
    }

    /// <summary>One color a latent. It has no weights of its own.</summary>
    private sealed class TinyDecoder(TinyVideoModel owner) : IFrameDecoder
    {
        public nn.Module Network { get; } = nn.Identity();

        public int ChunkFrames => 8;

        public Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null)
        {
            using DisposeScope scope = NewDisposeScope();
            (owner.Generations, owner.GradientVideos) = latents.requires_grad ? (owner.Generations, owner.GradientVideos + 1)
                : (owner.Generations + 1, owner.GradientVideos);
            Tensor taken = chosen is null ? latents : latents.index_select(2, tensor(chosen.Select(frame => (long)frame).ToArray()));
            Tensor pixels = taken.permute(0, 2, 3, 4, 1).matmul(owner._toPixels).tanh().permute(0, 4, 1, 2, 3); // [B, 3, f, h, w]
            return (pixels * (0.9 * owner.DecoderFactor)).repeat_interleave(4, 3).repeat_interleave(4, 4).MoveToOuterDisposeScope();
        }

        public Tensor DecodeAlone(Tensor latents, IReadOnlyList<int> chosen) => Decode(latents, (int)latents.shape[2], chosen);

        public IFrameDecoder OnMeta() => throw new NotSupportedException("The memory of a Tiny model cannot be estimated.");

        public void MoveTo(Device device)
        {
        }

        public void Dispose()
        {
            Network.Dispose();
            owner._toPixels.Dispose();
        }
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
