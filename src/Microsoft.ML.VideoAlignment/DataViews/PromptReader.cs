namespace Microsoft.ML.VideoAlignment.DataViews;

/// <summary>Reads the prompt column of a table into memory: alignment draws prompts at random, many times over.</summary>
internal static class PromptReader
{
    /// <summary>Every prompt, in the order of the rows. An empty prompt is a prompt like any other.</summary>
    /// <exception cref="InvalidOperationException">The table has no rows.</exception>
    public static IReadOnlyList<string> Read(IDataView input, string promptColumnName)
    {
        DataViewSchema.Column column = InputColumns.FindText(input.Schema, promptColumnName);
        var prompts = new List<string>();
        using DataViewRowCursor cursor = input.GetRowCursor([column]);
        ValueGetter<ReadOnlyMemory<char>> getter = cursor.GetGetter<ReadOnlyMemory<char>>(column);
        ReadOnlyMemory<char> prompt = default;
        while (cursor.MoveNext())
        {
            getter(ref prompt);
            prompts.Add(prompt.ToString());
        }

        return prompts.Count > 0
            ? prompts
            : throw new InvalidOperationException($"There are no prompts: column '{promptColumnName}' belongs to a table without rows. "
                + "Check the path and the separator of the file, and whether its first line is a header.");
    }
}
