using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Rewards.TextImage;

/// <summary>
/// The image tower and the text tower of a CLIP of either family, loaded as two networks, so that the text tower can wait or go when every prompt is known.
/// Computes in float32 (or float64), however small the weights are stored.
/// </summary>
internal sealed class TextImageTowers : IDisposable
{
    // What a whole CLIP model has beside its two towers.
    private static readonly string[] s_tops = ["visual_projection.weight", "text_projection.weight", "logit_scale"];

    private readonly nn.Module _vision;
    private readonly Func<Tensor, Tensor> _imageFeatures;
    private readonly Func<Tensor, Tensor?, Tensor> _textFeatures;
    private readonly Func<string, string?> _key;
    private nn.Module? _text;
    private Tensor? _logitScale;
    private Device _device;

    private TextImageTowers(
        string reward, (int Height, int Width) imageSize, nn.Module vision, Func<Tensor, Tensor> imageFeatures, nn.Module text,
        Func<Tensor, Tensor?, Tensor> textFeatures, Tensor? logitScale, Func<IReadOnlyList<string>, TokenBatch> tokenize,
        Func<string, string?> key, Device device)
    {
        (ImageSize, _vision, _imageFeatures, _text, _textFeatures, _key, _device) = (imageSize, vision, imageFeatures, text, textFeatures, key, device);
        _logitScale = logitScale?.DetachFromDisposeScope();
        Prompts = new PromptEmbeddings(reward, prompts =>
        {
            using DisposeScope scope = NewDisposeScope();
            using TokenBatch tokens = tokenize(prompts);
            return ClipModel.Normalize(TextFeatures(tokens.Ids.to(_device))).MoveToOuterDisposeScope();
        }, works => _text?.to(works ? _device : CPU));
    }

    private TextImageTowers((int Height, int Width) imageSize, nn.Module vision, Func<Tensor, Tensor> imageFeatures, long width)
    {
        (ImageSize, _vision, _imageFeatures, _device) = (imageSize, vision, imageFeatures, META);
        (_textFeatures, _key) = ((_, _) => throw new InvalidOperationException("Shapes read no texts."), static name => name);
        _logitScale = empty([], device: META).DetachFromDisposeScope();
        Prompts = new PromptEmbeddings(nameof(ToMeta), prompts => empty([prompts.Count, width], device: META));
    }

    /// <summary>Height and width of the images, in pixels.</summary>
    public (int Height, int Width) ImageSize { get; }

    /// <summary>The network of images.</summary>
    public nn.Module Vision => _vision;

    /// <summary>Embeddings of prompts, [B, P], l2-normalized.</summary>
    public PromptEmbeddings Prompts { get; }

    /// <summary>exp of the file's logit_scale, a tensor without axes; a fresh tensor.</summary>
    public Tensor Temperature => _logitScale?.exp() ?? throw new InvalidOperationException("These towers were loaded without a temperature.");

    /// <summary>All weights; none takes gradient.</summary>
    public IEnumerable<Tensor> Weights => [.. _vision.parameters(), .. _text?.parameters() ?? [], .. _logitScale is null ? (Tensor[])[] : [_logitScale]];

    /// <summary>All weights, and the scales of those in 8 bits.</summary>
    public IEnumerable<Tensor> Stored => [.. Weights, .. _vision.buffers(), .. _text?.buffers() ?? []];

    /// <summary>The weights of the text tower, and the scales of those in 8 bits; empty: it has been freed.</summary>
    public IEnumerable<Tensor> StoredForPrompts => _text is null ? [] : [.. _text.parameters(), .. _text.buffers()];

    /// <summary>The image tower of shapes alone, beside embeddings of prompts that say nothing.</summary>
    public TextImageTowers ToMeta()
    {
        if (_vision is ClipVisionEncoder clip)
        {
            ClipVisionEncoder shapes = clip.ToMeta();
            return new TextImageTowers(ImageSize, shapes, shapes.call, clip.Config.ProjectionDim);
        }

        OpenClipConfig config = ((OpenClipModel)_vision).Config;
        var half = new OpenClipModel(config, OpenClipHalves.Vision, Placement.MetaLike(_vision));
        return new TextImageTowers(ImageSize, half, half.Vision.call, config.EmbedDim);
    }

    /// <summary>A whole CLIP model's transformers folder.</summary>
    /// <param name="reward">Name of the reward, for errors.</param>
    /// <param name="folder">With config.json and weights.</param>
    /// <param name="tokenize">Prompts -> ids, no longer than the text tower takes.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    public static TextImageTowers FromClipFolder(string reward, string folder, Func<IReadOnlyList<string>, long, TokenBatch> tokenize, Placement placement)
    {
        ClipFiles.Require(folder);
        using var files = new ClipFolder(folder, variant: null);
        ClipConfig config = files.Parse(ClipConfig.FromJson);
        string[] absent = [.. s_tops.Where(name => !files.Weights.Entries.ContainsKey(name))];
        if (absent.Length > 0)
        {
            throw new WeightFileException(
                files.Weights.Location, $"is not a whole CLIP model: {string.Join(", ", absent)} missing. {FileContents.Describe(files.Weights)}");
        }

        using Tensor stored = files.Weights.Read("logit_scale");
        RequireTemperature(stored, files.Weights.Location);
        var vision = ClipVisionEncoder.FromSource(files.Weights, config.Vision, placement);
        var text = ClipTextEncoder.FromSource(files.Weights, config.Text, placement);
        long length = config.Text.MaxPositionEmbeddings;
        return new TextImageTowers(
            reward, ((int)config.Vision.ImageSize, (int)config.Vision.ImageSize), vision, vision.call, text, Features,
            stored.to(Placement.ComputeDtype(placement.Dtype), placement.Device, copy: true), Tokens, name => name, placement.Device);

        TokenBatch Tokens(IReadOnlyList<string> prompts) => tokenize(prompts, length).RequireBelow(config.Text.VocabSize, prompts);

        Tensor Features(Tensor ids, Tensor? mask)
        {
            using ClipOutput output = text.Encode(ids, mask);
            return output.Embedding!.alias();
        }
    }

    // The file's logit_scale is one number whose exponential float32 holds; published ones are about 4.6.
    private static void RequireTemperature(Tensor logitScale, string location)
    {
        using DisposeScope scope = NewDisposeScope();
        if (logitScale.numel() != 1 || !HostRead.Flag(logitScale.abs().AtMost(80).all()))
        {
            throw new WeightFileException(location, "logit_scale is not a temperature of CLIP: expected one finite number, about 4.6.");
        }
    }

    /// <summary>OpenCLIP's tensors; the configuration follows from their shapes where there is none. The temperature is not read.</summary>
    /// <inheritdoc cref="FromClipFolder"/>
    public static TextImageTowers FromOpenClip(
        string reward, IWeightSource source, OpenClipConfig? config, Func<IReadOnlyList<string>, OpenClipTextConfig, TokenBatch> tokenize, Placement placement)
    {
        config ??= OpenClipConfig.FromTensors(source);
        var vision = OpenClipModel.FromSource(source, config, OpenClipHalves.Vision, placement);
        var text = OpenClipModel.FromSource(source, config, OpenClipHalves.Text, placement);
        return new TextImageTowers(
            reward, ((int)config.Vision!.ImageHeight, (int)config.Vision.ImageWidth), vision, vision.Vision.call, text, (ids, _) => text.Text.GetFeatures(ids),
            logitScale: null, prompts => tokenize(prompts, config.Text!), OpenClipModel.CreateKeyMap(OpenClipHalves.Both).MapName, placement.Device);
    }

    /// <summary>Runs the image tower.</summary>
    /// <param name="pixels">[N, 3, H, W], normalized.</param>
    /// <returns>[N, P], not l2-normalized.</returns>
    public Tensor ImageFeatures(Tensor pixels) => PrecisionPolicy.Run(NetworkRole.Reward, () => _imageFeatures(pixels));

    /// <summary>
    /// Runs the text tower. A mask is not needed: both families look to the left only, and the token they pool stands before the padding.
    /// </summary>
    /// <param name="ids">int64 [N, L].</param>
    /// <param name="attentionMask">[N, L], 1 for tokens that count; null: all.</param>
    /// <returns>[N, P], not l2-normalized.</returns>
    public Tensor TextFeatures(Tensor ids, Tensor? attentionMask = null) => _textFeatures(ids, attentionMask);

    /// <summary>Encodes these prompts and frees the text tower.</summary>
    /// <param name="prompts">Every prompt that will come.</param>
    public void RestrictTo(IEnumerable<string> prompts)
    {
        Prompts.RestrictTo(prompts);
        _text?.Dispose();
        _text = null;
    }

    public void MoveTo(Device device)
    {
        _vision.to(device);
        if (!Prompts.IsEncoderOffloaded)
        {
            _text?.to(device);
        }

        if (_logitScale is { } scale)
        {
            _logitScale = scale.to(device, copy: true).DetachFromDisposeScope();
            scale.Dispose();
        }

        Prompts.MoveTo(device);
        _device = device;
    }

    /// <summary>A weight, for tests.</summary>
    /// <param name="name">Its name in the file.</param>
    internal Tensor Weight(string name) => name == "logit_scale" ? _logitScale! : _vision.get_parameter(_key(name)!) ?? _text!.get_parameter(_key(name)!)!;

    public void Dispose()
    {
        Prompts.Dispose();
        _vision.Dispose();
        _text?.Dispose();
        _logitScale?.Dispose();
    }
}
