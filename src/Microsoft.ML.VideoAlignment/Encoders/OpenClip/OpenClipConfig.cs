using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// OpenCLIP's CLIP (mlfoundations/open_clip, model.py), from the arguments of its constructor or from the shapes of a file that comes without them.
/// </summary>
/// <param name="EmbedDim">E, the width of both towers' outputs.</param>
/// <param name="Vision">The image tower; null: none.</param>
/// <param name="Text">The text tower; null: none.</param>
internal sealed record OpenClipConfig(long EmbedDim, OpenClipVisionConfig? Vision, OpenClipTextConfig? Text)
{
    /// <summary>Reads embed_dim, quick_gelu, vision_cfg and text_cfg as in open_clip's model_configs; absent keys have its defaults.</summary>
    /// <param name="json">The configuration's object.</param>
    public static OpenClipConfig FromJson(JsonElement json)
    {
        bool quickGelu = ConfigJson.Flag(json, "quick_gelu", false);
        return new OpenClipConfig(
            ConfigJson.Integer(json, "embed_dim", 512),
            ConfigJson.Find(json, "vision_cfg") is { } vision ? OpenClipVisionConfig.FromJson(vision, quickGelu) : null,
            ConfigJson.Find(json, "text_cfg") is { } text ? OpenClipTextConfig.FromJson(text, quickGelu) : null);
    }

    /// <summary>Derives the configuration from the shapes of a file: depths, widths, patch, image size, context and vocabulary.</summary>
    /// <remarks>
    /// Three things leave no trace in shapes. The activation is assumed to be exact GELU, the image square. An image tower of width 1280 and up has 16 heads
    /// (ViT-H-14, ViT-g-14, ViT-bigG-14); all other heads have width 64.
    /// </remarks>
    /// <param name="source">The weights, with open_clip's names.</param>
    /// <param name="visionHeadWidth">The width of the image tower's heads; null: by the rule in the remarks.</param>
    /// <param name="textHeadWidth">The width of the text tower's heads; null: 64.</param>
    /// <exception cref="WeightFileException">Tensors are missing or have shapes that no OpenCLIP has.</exception>
    public static OpenClipConfig FromTensors(IWeightSource source, long? visionHeadWidth = null, long? textHeadWidth = null)
    {
        var shapes = new OpenClipShapes(source);
        return new OpenClipConfig(
            shapes.RequireShape("text_projection", 2)[1],
            OpenClipVisionConfig.FromShapes(shapes, visionHeadWidth),
            OpenClipTextConfig.FromShapes(shapes, textHeadWidth));
    }
}

/// <summary>open_clip's CLIPVisionCfg of a plain ViT.</summary>
internal sealed record OpenClipVisionConfig
{
    /// <summary>The height of the image, in pixels.</summary>
    public required long ImageHeight { get; init; }

    /// <summary>The width of the image, in pixels.</summary>
    public required long ImageWidth { get; init; }

    /// <summary>The side of a patch, in pixels. Pixels at the right and bottom that fill no patch are ignored.</summary>
    public required long PatchSize { get; init; }

    public required long Layers { get; init; }

    /// <summary>The shape of each layer.</summary>
    public required EncoderShape Layer { get; init; }

    public (long Rows, long Columns) Grid => (ImageHeight / PatchSize, ImageWidth / PatchSize);

    public static OpenClipVisionConfig FromJson(JsonElement json, bool quickGelu)
    {
        long width = ConfigJson.Integer(json, "width", 768);
        (long height, long rowWidth) = ConfigJson.Size(json, "image_size", (224, 224));
        return new OpenClipVisionConfig
        {
            ImageHeight = height,
            ImageWidth = rowWidth,
            PatchSize = ConfigJson.Integer(json, "patch_size", 16),
            Layers = ConfigJson.Integer(json, "layers", 12, maximum: ConfigJson.MaxLayers),
            Layer = OpenClipLayer.CreateShape(
                width,
                (long)(width * ConfigJson.Number(json, "mlp_ratio", 4, maximum: 1000)),
                width / ConfigJson.Integer(json, "head_width", 64),
                quickGelu),
        };
    }

    public static OpenClipVisionConfig FromShapes(OpenClipShapes shapes, long? headWidth)
    {
        long[] patch = shapes.RequireShape("visual.conv1.weight", 4);
        long width = patch[0];
        long patches = shapes.RequireShape("visual.positional_embedding", 2)[0] - 1;
        long side = (long)Math.Round(Math.Sqrt(patches));
        if (side * side != patches)
        {
            throw shapes.Fault($"visual.positional_embedding has {patches} patches, which is not a square number; "
                + "the size of an image that is not square cannot be derived from a file");
        }

        return new OpenClipVisionConfig
        {
            ImageHeight = side * patch[2],
            ImageWidth = side * patch[2],
            PatchSize = patch[2],
            Layers = shapes.CountBlocks("visual."),
            Layer = OpenClipLayer.CreateShape(
                width, shapes.MlpWidth("visual."), shapes.CountHeads("image", width, headWidth ?? (width >= 1280 ? width / 16 : 64)), quickGelu: false),
        };
    }
}

/// <summary>open_clip's CLIPTextCfg of its plain text tower.</summary>
internal sealed record OpenClipTextConfig
{
    /// <summary>L, the number of tokens in a row.</summary>
    public required long ContextLength { get; init; }

    public required long VocabSize { get; init; }

    public required long Layers { get; init; }

    /// <summary>The shape of each layer.</summary>
    public required EncoderShape Layer { get; init; }

    public static OpenClipTextConfig FromJson(JsonElement json, bool quickGelu)
    {
        long width = ConfigJson.Integer(json, "width", 512);
        return new OpenClipTextConfig
        {
            ContextLength = ConfigJson.Integer(json, "context_length", 77),
            VocabSize = ConfigJson.Integer(json, "vocab_size", 49408),
            Layers = ConfigJson.Integer(json, "layers", 12, maximum: ConfigJson.MaxLayers),
            Layer = OpenClipLayer.CreateShape(
                width, (long)(width * ConfigJson.Number(json, "mlp_ratio", 4, maximum: 1000)), ConfigJson.Integer(json, "heads", 8), quickGelu),
        };
    }

    public static OpenClipTextConfig FromShapes(OpenClipShapes shapes, long? headWidth)
    {
        long[] words = shapes.RequireShape("token_embedding.weight", 2);
        return new OpenClipTextConfig
        {
            ContextLength = shapes.RequireShape("positional_embedding", 2)[0],
            VocabSize = words[0],
            Layers = shapes.CountBlocks(""),
            Layer = OpenClipLayer.CreateShape(words[1], shapes.MlpWidth(""), shapes.CountHeads("text", words[1], headWidth ?? 64), quickGelu: false),
        };
    }
}

internal static class OpenClipLayer
{
    /// <summary>LayerNorm's epsilon everywhere in OpenCLIP.</summary>
    public const double NormEps = 1e-5;

    public static EncoderShape CreateShape(long width, long mlpWidth, long heads, bool quickGelu) =>
        new(width, mlpWidth, heads, quickGelu ? Activation.QuickGelu : Activation.Gelu, NormEps) { FusedQkv = true };
}

/// <summary>Looks up shapes in a file of an OpenCLIP.</summary>
/// <param name="source">The weights, with open_clip's names.</param>
internal sealed partial class OpenClipShapes(IWeightSource source)
{
    /// <summary>Returns the shape of a tensor.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="axes">The number of axes that it must have.</param>
    /// <exception cref="WeightFileException">There is no such tensor, or it has another number of axes.</exception>
    public long[] RequireShape(string name, int axes) =>
        !source.Entries.TryGetValue(name, out WeightInfo info) ? throw Fault($"there is no {name}")
        : info.Shape.Count != axes || info.Shape.Any(size => size < 1)
            ? throw Fault($"{name} has the shape {Shapes.Describe(info.Shape)}, expected {axes} axes")
        : [.. info.Shape];

    /// <summary>The number of blocks of a tower: the highest number of one, plus one.</summary>
    /// <param name="tower">The start of the tower's names: "visual." or "".</param>
    public long CountBlocks(string tower) => 1 + source.Entries.Keys.Where(name => name.StartsWith(tower, StringComparison.Ordinal))
        .Select(name => Block().Match(name[tower.Length..])).Where(match => match.Success)
        .Select(match => long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)).DefaultIfEmpty(-1).Max();

    public long MlpWidth(string tower) => RequireShape($"{tower}transformer.resblocks.0.mlp.c_fc.weight", 2)[0];

    public long CountHeads(string tower, long width, long headWidth) =>
        headWidth > 0 && width % headWidth == 0
            ? width / headWidth
            : throw Fault($"the {tower} tower's width {width} is not a multiple of heads of {headWidth}");

    public WeightFileException Fault(string what) => new(source.Location, $"is not an OpenCLIP model: {what}.");

    [GeneratedRegex(@"^transformer\.resblocks\.(\d{1,4})\.", RegexOptions.CultureInvariant)]
    private static partial Regex Block();
}
