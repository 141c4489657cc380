using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Modules;
using TorchSharp.Utils;
using LayerNorm = Microsoft.ML.VideoAlignment.Layers.LayerNorm;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Rewards.VideoMae;

/// <summary>transformers' VideoMAEForVideoClassification, for any number of frames that fills a tubelet.</summary>
internal sealed class VideoMaeNetwork : nn.Module
{
    /// <summary>torch's default: the reference does not hand its layer_norm_eps to the classifier's norm.</summary>
    private const double PooledNormEps = 1e-5;

    [ComponentName(Name = "patch_projection")]
    private readonly TubeletProjection _patch;

    [ComponentName(Name = "layers")]
    private readonly ModuleList<EncoderLayer> _layers;

    [ComponentName(Name = "layernorm")]
    private readonly LayerNorm? _norm;

    [ComponentName(Name = "fc_norm")]
    private readonly LayerNorm? _pooledNorm;

    [ComponentName(Name = "classifier")]
    private readonly Linear _classifier;

    public VideoMaeNetwork(VideoMaeConfig config, Placement placement)
        : base(nameof(VideoMaeNetwork))
    {
        Config = config;
        _patch = new TubeletProjection(config.NumChannels, config.HiddenSize, config.TubeletSize, config.PatchSize, placement);
        _layers = nn.ModuleList([.. Enumerable.Range(0, checked((int)config.NumHiddenLayers)).Select(_ => new EncoderLayer(config.Layer, placement))]);
        _norm = config.UseMeanPooling ? null : new LayerNorm(config.HiddenSize, config.LayerNormEps, placement);
        _pooledNorm = config.UseMeanPooling ? new LayerNorm(config.HiddenSize, PooledNormEps, placement) : null;
        _classifier = new Linear(config.HiddenSize, config.Labels.Count, placement);
        RegisterComponents();
    }

    /// <summary>From the names in the file to keys. Queries' and values' biases are called q_bias and v_bias in older files.</summary>
    public static KeyMap Keys { get; } = new()
    {
        Aliases = [("videomae.embeddings.patch_embeddings.projection.", "patch_projection."), ("videomae.", ""), .. VitKeys.Layer],
    };

    public VideoMaeConfig Config { get; }

    /// <summary>Reads config.json and the weights of a transformers folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <exception cref="WeightFileException">It is not a folder of this network.</exception>
    public static VideoMaeNetwork FromFolder(string folder, Placement placement) =>
        TransformersFolder.Open(folder, "videomae", "VideoMAEForVideoClassification", "MCG-NJU/videomae-base-finetuned-kinetics")
            .Load(config => new VideoMaeNetwork(VideoMaeConfig.FromJson(config), placement), map: Keys);

    /// <summary>Classifies videos.</summary>
    /// <param name="pixels">[B, T, C, H, W], resized and normalized.</param>
    /// <returns>The tokens as the encoder leaves them, [B, N, D], and logits [B, labels].</returns>
    public (Tensor LastHiddenState, Tensor Logits) Run(Tensor pixels)
    {
        Shapes.Require(pixels, $"B, T, {Config.NumChannels}, {Config.ImageSize.Height}, {Config.ImageSize.Width}");
        using DisposeScope scope = NewDisposeScope();
        Tensor x = PrecisionPolicy.Run(NetworkRole.Reward, () => RunLayers(pixels));
        x = _norm?.call(x) ?? x;
        Tensor pooled = _pooledNorm?.call(x.mean([1])) ?? x.select(1, 0);
        return (x.MoveToOuterDisposeScope(), _classifier.call(pooled).MoveToOuterDisposeScope());
    }

    private Tensor RunLayers(Tensor pixels)
    {
        Tensor x = _patch.call(pixels.transpose(1, 2));
        long frames = pixels.shape[1];
        var key = (nameof(MakePositions), Config.TubeletSize, Config.PatchSize, Config.ImageSize, Config.HiddenSize, frames);
        x = x.Add(DeviceTable.ForRun(key, x.dtype, x.device, () => MakePositions(frames)));
        foreach (EncoderLayer layer in _layers)
        {
            x = layer.Forward(x);
        }

        return x;
    }

    /// <summary>
    /// Makes the fixed positions of a video: the angle of token p and channel j is p / 10000^(2 (j/2) / D), its sine in even channels and its cosine in odd
    /// ones, computed in float64 (Vaswani et al. 2017, arXiv 1706.03762, section 3.5).
    /// </summary>
    /// <param name="frames">Frames of the video.</param>
    /// <returns>[1, N, D], float32.</returns>
    public Tensor MakePositions(long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        long tokens = Config.Tubelets(frames) * (Config.ImageSize.Height / Config.PatchSize) * (Config.ImageSize.Width / Config.PatchSize);
        double[] slopes = [.. Enumerable.Range(0, checked((int)Config.HiddenSize)).Select(j => Math.Pow(10000, 2.0 * (j / 2) / Config.HiddenSize))];
        Tensor angles = ScalarOps.Range(tokens, dtype: ScalarType.Float64).unsqueeze(1) / tensor(slopes);
        Tensor even = ScalarOps.Range(Config.HiddenSize).Remainder(2).EqualTo(0);
        return where(even, angles.sin(), angles.cos()).to_type(ScalarType.Float32).unsqueeze(0).MoveToOuterDisposeScope();
    }
}
