using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Rewards.VJepa;

/// <summary>The three networks of a V-JEPA file: <c>encoder</c>, <c>predictor</c>, <c>target_encoder</c> (the encoder's moving average).</summary>
internal sealed class VJepaNetwork : nn.Module
{
    [ComponentName(Name = "encoder")]
    private readonly VJepaEncoder _encoder;

    [ComponentName(Name = "predictor")]
    private readonly VJepaPredictor _predictor;

    [ComponentName(Name = "target_encoder")]
    private readonly VJepaEncoder _target;

    public VJepaNetwork(VJepaConfig config, Placement placement)
        : base(nameof(VJepaNetwork))
    {
        Config = config;
        _encoder = new VJepaEncoder(config, placement);
        _predictor = new VJepaPredictor(config, placement);
        _target = new VJepaEncoder(config, placement);
        RegisterComponents();
    }

    public VJepaConfig Config { get; }

    public VJepaEncoder Encoder => _encoder;

    public VJepaPredictor Predictor => _predictor;

    public VJepaEncoder Target => _target;

    /// <summary>Reads a file of V-JEPA's training; of what it holds beside the three networks (the optimizer's state) nothing comes into memory.</summary>
    /// <param name="path">The official file.</param>
    /// <param name="options">Sizes where the file's shapes do not tell them.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <exception cref="WeightFileException">The file is not a V-JEPA file, or contradicts the options.</exception>
    public static VJepaNetwork FromFile(string path, VJepaOptions options, Placement placement)
    {
        using IWeightSource file = VJepaFile.Open(path);
        return WeightLoader.Fill(new VJepaNetwork(VJepaConfig.FromFile(file, options), placement), file, map: VJepaKeys.Map);
    }
}
