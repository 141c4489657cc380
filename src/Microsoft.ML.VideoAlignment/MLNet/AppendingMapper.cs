using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Appends one column to the rows of an input, computed only when it is read.</summary>
internal sealed class AppendingMapper : IRowToRowMapper
{
    private readonly AppendedColumn _column;

    public AppendingMapper(DataViewSchema inputSchema, AppendedColumn column)
    {
        _column = column;
        InputSchema = inputSchema;
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(inputSchema);
        builder.AddColumn(column.Name, column.Type, column.Annotations);
        OutputSchema = builder.ToSchema();
    }

    public DataViewSchema InputSchema { get; }

    public DataViewSchema OutputSchema { get; }

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns)
    {
        var needed = new SortedSet<int>();
        foreach (DataViewSchema.Column column in dependingColumns)
        {
            needed.UnionWith(IsAppended(column) ? _column.Inputs.Select(input => input.Index) : [column.Index]);
        }

        return needed.Select(index => InputSchema[index]);
    }

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
        new Row(new AppendedRow(this, input, activeColumns.Any(IsAppended)));

    /// <summary>Creates the view of an input with the column.</summary>
    /// <param name="input">A view with the input schema.</param>
    public IDataView View(IDataView input) => new AppendedView(this, input);

    private bool IsAppended(DataViewSchema.Column column) => column.Index == InputSchema.Count;

    // What rows and cursors share: which getter answers for which column.
    private sealed class AppendedRow(AppendingMapper mapper, DataViewRow input, bool active)
    {
        private readonly Delegate? _getter = active ? mapper._column.MakeGetter(input) : null;

        public DataViewSchema Schema => mapper.OutputSchema;

        public DataViewRow Input => input;

        public bool IsColumnActive(DataViewSchema.Column column) =>
            mapper.IsAppended(column) ? _getter is not null : input.IsColumnActive(mapper.InputSchema[column.Index]);

        public ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!mapper.IsAppended(column))
            {
                return input.GetGetter<TValue>(mapper.InputSchema[column.Index]);
            }

            return _getter switch
            {
                ValueGetter<TValue> typed => typed,
                null => throw new InvalidOperationException($"Column '{column.Name}' was not asked for when the cursor was opened."),
                _ => throw new InvalidOperationException(
                    $"Column '{column.Name}' is {column.Type}: it is read as {column.Type.RawType}, not as {typeof(TValue)}."),
            };
        }
    }

    private sealed class Row(AppendedRow row) : DataViewRow
    {
        public override DataViewSchema Schema => row.Schema;

        public override long Position => row.Input.Position;

        public override long Batch => row.Input.Batch;

        public override ValueGetter<DataViewRowId> GetIdGetter() => row.Input.GetIdGetter();

        public override bool IsColumnActive(DataViewSchema.Column column) => row.IsColumnActive(column);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => row.GetGetter<TValue>(column);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                row.Input.Dispose();
            }

            base.Dispose(disposing);
        }
    }

    private sealed class Cursor(AppendedRow row, DataViewRowCursor input) : DataViewRowCursor
    {
        public override DataViewSchema Schema => row.Schema;

        public override long Position => input.Position;

        public override long Batch => input.Batch;

        public override bool MoveNext() => input.MoveNext();

        public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

        public override bool IsColumnActive(DataViewSchema.Column column) => row.IsColumnActive(column);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => row.GetGetter<TValue>(column);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                input.Dispose();
            }

            base.Dispose(disposing);
        }
    }

    private sealed class AppendedView(AppendingMapper mapper, IDataView input) : IDataView
    {
        public bool CanShuffle => input.CanShuffle;

        public DataViewSchema Schema => mapper.OutputSchema;

        public long? GetRowCount() => input.GetRowCount();

        public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, System.Random? rand = null)
        {
            DataViewSchema.Column[] needed = [.. columnsNeeded];
            DataViewRowCursor cursor = input.GetRowCursor(mapper.GetDependencies(needed), rand);
            return new Cursor(new AppendedRow(mapper, cursor, needed.Any(mapper.IsAppended)), cursor);
        }

        // One cursor, not n: there is one network, and rows in parallel would only wait for each other.
        public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, System.Random? rand = null) =>
            [GetRowCursor(columnsNeeded, rand)];
    }
}
