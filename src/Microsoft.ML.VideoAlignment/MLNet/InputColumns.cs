using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Finds the columns that a transform reads, for estimators in a schema shape and for transformers in a schema, with the same error messages: <see
/// cref="ArgumentOutOfRangeException"/> for <c>inputSchema</c>, naming the column, what was expected and what was found.
/// </summary>
internal static class InputColumns
{
    private const string Text = "text (a string, not a vector)";

    private const string Integer = "a whole number (Int32 or Int64, not a vector)";

    private const string Video = "a video, Vector<Single, T, 3, H, W> with known dimensions";

    private const string Image = "an image: MLImage, the path of a file (text), or Vector<Single, 3, H, W>";

    /// <summary>Checks a text column.</summary>
    /// <param name="inputSchema">The shape of the input.</param>
    /// <param name="name">Name of the column.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public static void RequireText(SchemaShape inputSchema, string name) =>
        Require(inputSchema, name, Text, column => column.Kind == SchemaShape.Column.VectorKind.Scalar && column.ItemType is TextDataViewType);

    /// <summary>Checks an Int32 or Int64 column.</summary>
    /// <param name="inputSchema">The shape of the input.</param>
    /// <param name="name">Name of the column.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public static void RequireInteger(SchemaShape inputSchema, string name) =>
        Require(inputSchema, name, Integer, column => column.Kind == SchemaShape.Column.VectorKind.Scalar && !column.IsKey && IsInteger(column.ItemType));

    /// <summary>Checks a vector of Single; its dimensions are known only with the data.</summary>
    /// <param name="inputSchema">The shape of the input.</param>
    /// <param name="name">Name of the column.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public static void RequireVideo(SchemaShape inputSchema, string name) =>
        Require(inputSchema, name, Video, column => column.Kind == SchemaShape.Column.VectorKind.Vector && column.ItemType == NumberDataViewType.Single);

    /// <summary>Checks a column of images; the dimensions of a vector are known only with the data.</summary>
    /// <param name="inputSchema">The shape of the input.</param>
    /// <param name="name">Name of the column.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public static void RequireImage(SchemaShape inputSchema, string name) => Require(
        inputSchema, name, Image, column => column.Kind == SchemaShape.Column.VectorKind.Scalar
        ? column.ItemType is TextDataViewType or ImageDataViewType
        : column.Kind == SchemaShape.Column.VectorKind.Vector && column.ItemType == NumberDataViewType.Single);

    /// <summary>Finds a column of images.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <param name="name">Name of the column.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public static DataViewSchema.Column FindImage(DataViewSchema inputSchema, string name) => Require(inputSchema, name, Image, type =>
        type is TextDataViewType or ImageDataViewType
        || (type is VectorDataViewType { Dimensions: [3, > 0, > 0] } vector && vector.ItemType == NumberDataViewType.Single));

    /// <summary>Finds a text column.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <param name="name">Name of the column.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public static DataViewSchema.Column FindText(DataViewSchema inputSchema, string name) =>
        Require(inputSchema, name, Text, type => type is TextDataViewType);

    /// <summary>Finds an Int32 or Int64 column.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <param name="name">Name of the column.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public static DataViewSchema.Column FindInteger(DataViewSchema inputSchema, string name) => Require(inputSchema, name, Integer, IsInteger);

    /// <summary>Finds a video column.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <param name="name">Name of the column.</param>
    /// <returns>The column and its shape [T, 3, H, W].</returns>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public static (DataViewSchema.Column Column, int[] Shape) FindVideo(DataViewSchema inputSchema, string name)
    {
        DataViewSchema.Column column = Require(inputSchema, name, Video, type =>
            type is VectorDataViewType { Dimensions: [> 0, 3, > 0, > 0] } vector && vector.ItemType == NumberDataViewType.Single);
        return (column, [.. ((VectorDataViewType)column.Type).Dimensions]);
    }

    /// <summary>Finds a Single column.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <param name="name">Name of the column.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public static DataViewSchema.Column FindScore(DataViewSchema inputSchema, string name) =>
        Require(inputSchema, name, "a score, Single", type => type == NumberDataViewType.Single);

    /// <summary>Appends a column to a schema shape; one of the same name is hidden by it.</summary>
    /// <param name="inputSchema">The shape of the input.</param>
    /// <param name="column">The column to append.</param>
    public static SchemaShape Append(SchemaShape inputSchema, SchemaShape.Column column) =>
        new(inputSchema.Where(present => present.Name != column.Name).Append(column));

    private static void Require(SchemaShape inputSchema, string name, string expected, Func<SchemaShape.Column, bool> fits)
    {
        SchemaShape.Column[] columns = [.. inputSchema.Where(column => column.Name == name)];
        if (columns.Length == 0)
        {
            throw Missing(nameof(inputSchema), name, expected, inputSchema.Select(column => column.Name));
        }

        SchemaShape.Column found = columns[^1];
        if (!fits(found))
        {
            string type = found.Kind == SchemaShape.Column.VectorKind.Scalar ? $"{found.ItemType}" : $"{found.Kind}<{found.ItemType}>";
            throw Wrong(nameof(inputSchema), name, expected, found.IsKey ? $"Key<{type}>" : type);
        }
    }

    private static DataViewSchema.Column Require(DataViewSchema inputSchema, string name, string expected, Func<DataViewType, bool> fits)
    {
        DataViewSchema.Column column = inputSchema.GetColumnOrNull(name)
            ?? throw Missing(nameof(inputSchema), name, expected, inputSchema.Where(column => !column.IsHidden).Select(column => column.Name));
        return fits(column.Type) ? column : throw Wrong(nameof(inputSchema), name, expected, $"{column.Type}");
    }

    private static bool IsInteger(DataViewType type) => type == NumberDataViewType.Int32 || type == NumberDataViewType.Int64;

    private static ArgumentOutOfRangeException Missing(string parameter, string name, string expected, IEnumerable<string> present) =>
        new(parameter, $"Could not find input column '{name}': expected {expected}; the columns are {string.Join(", ", present)}.");

    private static ArgumentOutOfRangeException Wrong(string parameter, string name, string expected, string got) =>
        new(parameter, $"Schema mismatch for input column '{name}': expected {expected}, got {got}.");
}
