using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// The preprocessor_config.json of a CLIP image encoder: the short side resized, the middle cut out, channels normalized. Reference: transformers,
/// <c>CLIPImageProcessor</c>, whose defaults absent keys have.
/// </summary>
/// <remarks>Images are resized as numbers, bicubic with antialias; the reference rounds a resized image to 8 bits.</remarks>
internal sealed record ClipImageProcessor
{
    /// <summary>The file's name.</summary>
    public const string FileName = "preprocessor_config.json";

    private const long UsualSide = 224;

    private static readonly string[] s_steps = ["do_resize", "do_center_crop", "do_rescale", "do_normalize"];

    /// <summary>The short side of a resized image, in pixels.</summary>
    public long ShortSide { get; init; } = UsualSide;

    /// <summary>The side of the square that is cut out, in pixels.</summary>
    public long Side { get; init; } = UsualSide;

    /// <summary>Subtracted from each channel.</summary>
    public (float R, float G, float B) Mean { get; init; } = ClipPixels.Mean;

    /// <summary>Divides each channel after that.</summary>
    public (float R, float G, float B) Std { get; init; } = ClipPixels.Std;

    /// <summary>Reads the file.</summary>
    /// <param name="json">The file's object.</param>
    /// <exception cref="InvalidDataException">A value has the wrong type or range, or the square does not fit into a resized image.</exception>
    /// <exception cref="NotSupportedException">A step is left out, which CLIP's own files do not do.</exception>
    public static ClipImageProcessor FromJson(JsonElement json)
    {
        if (s_steps.FirstOrDefault(step => !ConfigJson.Flag(json, step, true)) is { } skipped)
        {
            throw new NotSupportedException($"{skipped} is false; expected true, as CLIP's images are resized, cut, scaled to [0, 1] and normalized.");
        }

        var processor = new ClipImageProcessor
        {
            ShortSide = ConfigJson.Find(json, "size") is { } size ? Length(size, "size", "shortest_edge") : UsualSide,
            Side = ConfigJson.Find(json, "crop_size") is { } crop ? Square(crop) : UsualSide,
            Mean = Channels(json, "image_mean", ClipPixels.Mean),
            Std = Channels(json, "image_std", ClipPixels.Std),
        };
        return processor.Side <= processor.ShortSide ? processor : throw new InvalidDataException(
            $"crop_size: expected at most the short side's {processor.ShortSide} pixels, got {processor.Side}.");
    }

    /// <summary>Prepares images; carries gradient.</summary>
    /// <param name="images">[B, 3, H, W], RGB in [0, 1].</param>
    /// <returns>[B, 3, S, S], normalized.</returns>
    public Tensor Apply(Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        (long height, long width) = Resize.FitShortSide(images.shape[2], images.shape[3], ShortSide);
        bool fits = images.shape[2] == height && images.shape[3] == width;
        Tensor resized = fits ? images : UnitRange.Clamp(Resize.Apply(images, height, width, Interpolation.Bicubic, antialias: true));
        Tensor middle = resized.narrow(2, (height - Side) / 2, Side).narrow(3, (width - Side) / 2, Side);
        return UnitRange.Standardize(middle, Mean, Std).MoveToOuterDisposeScope();
    }

    private static long Square(JsonElement crop)
    {
        long height = Length(crop, "crop_size", "height"), width = Length(crop, "crop_size", "width");
        return height == width ? height : throw new InvalidDataException($"crop_size: expected a square, got {height} x {width} pixels.");
    }

    // Written as a number in older files.
    private static long Length(JsonElement sizes, string key, string name) => sizes.ValueKind switch
    {
        JsonValueKind.Object => ConfigJson.Integer(sizes, name, UsualSide),
        JsonValueKind.Number when sizes.TryGetInt64(out long side) && side is > 0 and <= ConfigJson.MaxSize => side,
        _ => throw new InvalidDataException($"{key}: expected a number of pixels or an object with {name}, got {sizes.GetRawText()}."),
    };

    private static (float R, float G, float B) Channels(JsonElement json, string key, (float R, float G, float B) usual)
    {
        IReadOnlyList<double> numbers = ConfigJson.Numbers(json, key, [usual.R, usual.G, usual.B]);
        return numbers.Count == 3 ? ((float)numbers[0], (float)numbers[1], (float)numbers[2])
            : throw new InvalidDataException($"{key}: expected a number for each of 3 channels, got {numbers.Count}.");
    }
}
