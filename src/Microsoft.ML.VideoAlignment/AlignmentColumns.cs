using Microsoft.ML.VideoAlignment.DataViews;

namespace Microsoft.ML.VideoAlignment;

/// <summary>The columns of a text-to-video transform; <paramref name="Seed"/> null: none.</summary>
internal sealed record AlignmentColumns(string Output, string Prompt, string? Seed)
{
    /// <summary>Checks that the input has them.</summary>
    public void Require(SchemaShape inputSchema)
    {
        InputColumns.RequireText(inputSchema, Prompt);
        if (Seed is not null)
        {
            InputColumns.RequireInteger(inputSchema, Seed);
        }
    }

    /// <summary>The columns in a schema, prompt first.</summary>
    public IReadOnlyList<DataViewSchema.Column> Find(DataViewSchema inputSchema) => Seed is null
        ? [InputColumns.FindText(inputSchema, Prompt)]
        : [InputColumns.FindText(inputSchema, Prompt), InputColumns.FindInteger(inputSchema, Seed)];

    /// <summary>Reads prompt and seed of the row the cursor stands on; <paramref name="columns"/> as <see cref="Find"/> gave them.</summary>
    public static Func<(string Prompt, long Seed)> Reader(DataViewRow row, IReadOnlyList<DataViewSchema.Column> columns)
    {
        ValueGetter<ReadOnlyMemory<char>> text = row.GetGetter<ReadOnlyMemory<char>>(columns[0]);
        Func<long> seed = columns.Count == 1 ? () => 0 : RowSeed.Reader(row, columns[1]);
        return () =>
        {
            ReadOnlyMemory<char> prompt = default;
            text(ref prompt);
            return (prompt.ToString(), seed());
        };
    }
}
