using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>A column that a transform adds, bound to the columns it reads.</summary>
/// <param name="Name">Its name; a column of that name in the input becomes hidden.</param>
/// <param name="Type">Its type.</param>
/// <param name="Annotations">Its metadata.</param>
/// <param name="Inputs">The columns it reads.</param>
/// <param name="MakeGetter">Creates, for a row, the <see cref="ValueGetter{TValue}"/> of the column's raw type; called once per cursor.</param>
internal sealed record AppendedColumn(
    string Name,
    DataViewType Type,
    DataViewSchema.Annotations Annotations,
    IReadOnlyList<DataViewSchema.Column> Inputs,
    Func<DataViewRow, Delegate> MakeGetter);
