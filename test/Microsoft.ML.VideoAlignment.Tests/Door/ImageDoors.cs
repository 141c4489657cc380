using Microsoft.ML.Transforms.Image;
using Microsoft.ML.VideoAlignment.Media;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The ways by which an image file becomes a tensor [3, H, W]: one file, one image.</summary>
internal static class ImageDoors
{
    /// <summary>The image by each door.</summary>
    /// <param name="file">An image in the model's reference folder.</param>
    /// <param name="model">An Open-Sora model, whose prompts name images.</param>
    public static IEnumerable<(string Door, RgbPixels Image)> All(string file, VideoDiffusionModel model) =>
    [
        ("path column", ByPath(file)),
        ("LoadImages", ByLoadImages(file, _ => { })),
        ("reference of a prompt", ByPrompt(file, model)),
        ("VideoFile", ByVideoFile(file)),
        ("LoadFromImages", ByLoadFromImages(file)),
    ];

    /// <summary>A text column.</summary>
    public static RgbPixels ByPath(string file, ImageLimits? limits = null) =>
        Read(new MLContext(1).Data.LoadFromEnumerable(new[] { new PathRow { Path = file } }), "Path", _ => { }, limits);

    /// <summary>A column of ML.NET's LoadImages, and of ResizeImages after it where a size is given.</summary>
    public static RgbPixels ByLoadImages(string file, Action<string> say, (int Height, int Width)? size = null)
    {
        var context = new MLContext(1);
        IDataView rows = context.Data.LoadFromEnumerable(new[] { new PathRow { Path = Path.GetFileName(file) } });
        IDataView images = context.Transforms.LoadImages("Image", Path.GetDirectoryName(file), "Path").Fit(rows).Transform(rows);
        return Read(size is { } to ? context.Transforms.ResizeImages("Image", to.Width, to.Height, resizing: ImageResizingEstimator.ResizingKind.Fill)
            .Fit(images).Transform(images) : images, "Image", say);
    }

    private static RgbPixels ByPrompt(string file, VideoDiffusionModel model)
    {
        var images = new PromptImages(model, new SamplingSettings { Size = model.DefaultSize, Steps = 1, GuidanceScale = 1 }, _ => { });
        VideoPrompt prompt = images.Resolve($$"""a ship {"reference_path": "{{Path.GetFileName(file)}}"}""");
        using Tensor image = prompt.Images[0]();
        return RgbPixels.FromTensor(image);
    }

    private static RgbPixels ByVideoFile(string file)
    {
        VideoClip clip = VideoFile.Read(file);
        using Tensor image = tensor(clip.Frame(0).Values.ToArray(), [3, clip.Height, clip.Width]);
        return RgbPixels.FromTensor(image);
    }

    // In the image's own size, so that nothing is cropped.
    private static RgbPixels ByLoadFromImages(string file)
    {
        RgbPixels upright = ByPath(file);
        return Read(new MLContext(1).Data.LoadFromImages([file], new VideoSize(1, upright.Height, upright.Width)), "Image", _ => { });
    }

    private static RgbPixels Read(IDataView rows, string column, Action<string> say, ImageLimits? limits = null)
    {
        using DataViewRowCursor cursor = rows.GetRowCursor([rows.Schema[column]]);
        cursor.MoveNext();
        using Tensor image = ImageColumn.CreateReader(cursor, rows.Schema[column], new VideoSize(1, 1, 1), limits ?? new ImageLimits(), say)()();
        return RgbPixels.FromTensor(image);
    }

    private sealed class PathRow
    {
        public string Path { get; set; } = "";
    }
}

/// <summary>8-bit pixels, one text "r g b" each, row by row: what tests compare and print.</summary>
internal sealed record RgbPixels(int Height, int Width, byte[] Bytes)
{
    public static RgbPixels FromTensor(Tensor image)
    {
        using DisposeScope scope = NewDisposeScope();
        byte[] bytes = (image.permute(1, 2, 0).contiguous() * 255).round().to(ScalarType.Byte).data<byte>().ToArray();
        return new RgbPixels((int)image.shape[1], (int)image.shape[2], bytes);
    }

    /// <summary>The red of every n-th pixel of every n-th row, for images of gray letters.</summary>
    public string Letters(int step = 1) =>
        string.Join('/', Enumerable.Range(0, Height / step).Select(y => string.Concat(Enumerable.Range(0, Width / step).Select(x =>
        (char)('A' + (Bytes[3 * ((y * step * Width) + (x * step))] / 40))))));
}
