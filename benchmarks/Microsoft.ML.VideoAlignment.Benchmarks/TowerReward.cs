using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// An image tower of a published size without its file, whose score is the mean of its embedding: it takes what such a reward takes in time and memory.
/// </summary>
internal sealed class TowerReward : PreprocessingReward
{
    private static readonly OpenClipTextConfig s_hugeTexts = new()
    {
        ContextLength = 77,
        VocabSize = 49408,
        Layers = 24,
        Layer = OpenClipLayer.CreateShape(1024, 4096, 16, quickGelu: false),
    };

    private readonly ClipVisionConfig _config;
    private readonly ClipVisionEncoder _tower;
    private readonly OpenClipModel? _texts;

    private TowerReward(string name, ClipVisionConfig config, ClipVisionEncoder tower, OpenClipModel? texts = null) =>
        (Name, _config, _tower, _texts) = (name, config, tower, texts);

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override RewardContract Contract { get; } = new();

    /// <inheritdoc/>
    protected internal override IEnumerable<nn.Module> Networks => _texts is null ? [_tower] : [_tower, _texts];

    /// <inheritdoc/>
    protected internal override IEnumerable<Tensor> StoredForPrompts => _texts?.parameters() ?? [];

    /// <summary>Makes a tower of the aesthetic reward's size, CLIP ViT-L/14.</summary>
    /// <param name="placement">Where its weights are and how they are stored.</param>
    public static TowerReward AestheticLarge(Placement placement) => Make("aesthetic", ClipVisionConfig.VitL14, placement);

    /// <summary>Makes a tower of the size of HPS and PickScore, ViT-H/14.</summary>
    /// <param name="placement">Where its weights are and how they are stored.</param>
    public static TowerReward PreferenceHuge(Placement placement) => Make("preference", ClipVisionConfig.VitH14, placement);

    /// <summary>Makes the shapes of HPS v2's two towers, for estimates: the texts' is there until the prompts are encoded.</summary>
    /// <param name="shapes">The meta device, and how weights are stored.</param>
    public static TowerReward PreferenceAndTexts(Placement shapes)
    {
        ClipVisionConfig config = ClipVisionConfig.VitH14;
        return new TowerReward("preference", config, new ClipVisionEncoder(config, withProjection: true, shapes),
            new OpenClipModel(new OpenClipConfig(1024, Vision: null, s_hugeTexts), OpenClipHalves.Text, shapes));
    }

    /// <summary>Makes a tower.</summary>
    /// <param name="name">The reward's name.</param>
    /// <param name="config">The tower's size.</param>
    /// <param name="placement">Where its weights are and how they are stored.</param>
    public static TowerReward Make(string name, ClipVisionConfig config, Placement placement)
    {
        using var weights = new UntrainedWeights(seed: 2, filled: placement.Device.type != DeviceType.META);
        return new TowerReward(name, config, weights.Fill(new ClipVisionEncoder(config, withProjection: true, placement)));
    }

    /// <inheritdoc/>
    protected internal override VideoReward ToMeta() =>
        new TowerReward(Name, _config, new ClipVisionEncoder(_config, withProjection: true, Placement.MetaLike(_tower)));

    /// <inheritdoc/>
    protected override Tensor ScoreCore(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        Tensor images = frames.Images(FramePreprocessing.ForClip((int)_config.ImageSize));
        return PrecisionPolicy.Run(NetworkRole.Reward, () => _tower.call(images)).mean([1]).view(frames.Batch, frames.Count).mean([1]);
    }
}
