using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>The video column in ML.NET's terms: <c>Vector&lt;Single, T, 3, H, W&gt;</c>, RGB in [0, 1], with its layout and range as annotations.</summary>
internal static class VideoColumn
{
    public const string LayoutAnnotation = "VideoLayout";

    public const string RangeAnnotation = "ValueRange";

    /// <summary>Creates the type of the column.</summary>
    /// <param name="size">Size of the videos.</param>
    /// <exception cref="ArgumentOutOfRangeException">A video has more values than a column can hold.</exception>
    public static VectorDataViewType CreateType(VideoSize size) => size.CountValues() <= Array.MaxLength
        ? new(NumberDataViewType.Single, size.Frames, 3, size.Height, size.Width)
        : throw new ArgumentOutOfRangeException(
            nameof(size), size, $"A video of {size.Frames} x 3 x {size.Height} x {size.Width} has {size.CountValues()} values, and a column holds at most "
                + $"{Array.MaxLength}. Make shorter or smaller videos.");

    public static DataViewSchema.Annotations CreateAnnotations()
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
    /// <param name="name">Name of the column.</param>
    public static SchemaShape.Column CreateShape(string name) => MlNetInterop.CreateColumn(
        name, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, isKey: false, MlNetInterop.GetShape(CreateAnnotations().Schema));

    /// <summary>Creates a getter that copies a row's frames, computed once per row, into the reader's buffer.</summary>
    /// <param name="row">The row, or a cursor.</param>
    /// <param name="generate">Generates the frames of the row, [T, 3, H, W].</param>
    public static ValueGetter<VBuffer<float>> CreateGetter(DataViewRow row, Func<float[]> generate)
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
