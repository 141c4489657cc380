using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Reads images of a table: <see cref="MLImage"/>, the path of an image file, or <c>Vector&lt;Single, 3, H, W&gt;</c>, RGB in [0, 1]. An image is kept as small
/// as it came (path, bytes, floats) and becomes a tensor on request.
/// </summary>
internal static class ImageColumn
{
    /// <summary>Creates the reader of a row's image.</summary>
    /// <param name="row">The row, or a cursor.</param>
    /// <param name="column">A column from <see cref="InputColumns.FindImage"/>.</param>
    /// <param name="size">Size of the videos.</param>
    /// <param name="limits">The largest file that is read.</param>
    /// <param name="log">Receives a message when an image has another size, and will be resized.</param>
    /// <returns>For the row that the cursor is at, a function that creates the tensor [3, H, W], RGB in [0, 1], in the image's own size; its caller owns the
    /// tensor.</returns>
    public static Func<Func<Tensor>> CreateReader(DataViewRow row, DataViewSchema.Column column, VideoSize size, ImageLimits limits, Action<string> log)
    {
        Func<Func<Tensor>> read = column.Type switch
        {
            TextDataViewType => Paths(row, column, limits),
            VectorDataViewType vector => Vectors(row, column, vector.Dimensions),
            _ => Images(row, column, limits, log),
        };
        return () => InputImage.LogResize(read(), Named(column), size, log);
    }

    private static string Named(DataViewSchema.Column column) => $"Image column '{column.Name}'";

    private static Func<Func<Tensor>> Paths(DataViewRow row, DataViewSchema.Column column, ImageLimits limits)
    {
        ValueGetter<ReadOnlyMemory<char>> getter = row.GetGetter<ReadOnlyMemory<char>>(column);
        return () =>
        {
            ReadOnlyMemory<char> path = default;
            getter(ref path);
            return InputImage.FromFile(path.ToString(), Named(column), limits);
        };
    }

    private static Func<Func<Tensor>> Images(DataViewRow row, DataViewSchema.Column column, ImageLimits limits, Action<string> log)
    {
        ValueGetter<MLImage> getter = row.GetGetter<MLImage>(column);
        return () =>
        {
            MLImage image = null!;
            getter(ref image);
            RgbImage pixels = MlImagePixels.Read(image
                ?? throw new InvalidOperationException(
                    $"{Named(column)}: a row has no image. Leave out such rows (FilterRowsByMissingValues), or give each an image."));
            return MlImageOrientation.Apply(pixels, image.Tag, Named(column), limits, log).ToTensor;
        };
    }

    private static Func<Func<Tensor>> Vectors(DataViewRow row, DataViewSchema.Column column, IReadOnlyList<int> shape)
    {
        ValueGetter<VBuffer<float>> getter = row.GetGetter<VBuffer<float>>(column);
        return () =>
        {
            VBuffer<float> buffer = default;
            getter(ref buffer);
            float[] values = [.. buffer.DenseValues()];
            foreach (float value in values)
            {
                if (!(value is >= 0 and <= 1))
                {
                    throw new InvalidOperationException(string.Create(
                        CultureInfo.InvariantCulture,
                        $"{Named(column)}: expected RGB in [0, 1], got {value}. Bytes are scaled by ExtractPixels(..., scaleImage: 1f / 255)."));
                }
            }

            return () => tensor(values, [shape[0], shape[1], shape[2]]);
        };
    }
}
