using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.DataViews;

/// <summary>What a video column is to ML.NET: <c>Vector&lt;Single, T, 3, H, W&gt;</c>, RGB in [0, 1], with its layout and range as annotations.</summary>
internal static class VideoColumn
{
    public const string LayoutAnnotation = "VideoLayout";

    public const string RangeAnnotation = "ValueRange";

    /// <exception cref="ArgumentOutOfRangeException">A video has more values than a column counts.</exception>
    public static VectorDataViewType Type(VideoSize size) => Values(size) <= Array.MaxLength
        ? new(NumberDataViewType.Single, size.Frames, 3, size.Height, size.Width)
        : throw new ArgumentOutOfRangeException(
            nameof(size), size, $"A video of {size.Frames} x 3 x {size.Height} x {size.Width} has {Values(size)} values, and a column holds at most "
                + $"{Array.MaxLength}. Make shorter or smaller videos.");

    /// <summary>How many numbers a video of so many segments is.</summary>
    public static Int128 Values(VideoSize size, int segments = 1) => (Int128)segments * size.Frames * size.Height * size.Width * 3;

    public static DataViewSchema.Annotations Annotations()
    {
        var builder = new DataViewSchema.Annotations.Builder();
        builder.AddPrimitiveValue(LayoutAnnotation, TextDataViewType.Instance, "T,C,H,W; RGB".AsMemory());
        builder.Add<VBuffer<float>>(
            RangeAnnotation,
            new VectorDataViewType(NumberDataViewType.Single, 2),
            (ref VBuffer<float> range) => range = new VBuffer<float>(2, [0f, 1f]));
        return builder.ToAnnotations();
    }

    /// <summary>The column as an estimator announces it; sizes are not part of ML.NET's schema shapes.</summary>
    public static SchemaShape.Column Shape(string name) => MlNetInterop.NewColumn(
        name, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, isKey: false, MlNetInterop.ShapeOf(Annotations().Schema));

    /// <summary>A getter that copies a row's frames, computed once a row, into the reader's buffer.</summary>
    public static ValueGetter<VBuffer<float>> Getter(DataViewRow row, Func<float[]> generate)
    {
        var frames = new RowCache<float[]>(row, generate);
        return (ref VBuffer<float> destination) =>
        {
            float[] values = frames.Value;
            VBufferEditor<float> editor = VBufferEditor.Create(ref destination, values.Length);
            values.CopyTo(editor.Values);
            destination = editor.Commit();
        };
    }
}
