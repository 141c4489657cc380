using Microsoft.ML.VideoAlignment.DataViews;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment;

/// <summary>The columns of an alignment; null: none. At least one of prompt and image is there.</summary>
internal sealed record AlignmentColumns(string Output, string? Prompt, string? Seed, string? Image)
{
    /// <summary>Checks that the columns that a model and a reward (null: there is none) read have names.</summary>
    public static void RequireNames(string outputColumnName, string? promptColumnName, VideoDiffusionModel model, VideoReward? reward)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        string? reader = model.Images != ImageUse.Required ? $"A {model.Family} model makes videos from texts" : reward?.Contract.ReadsPrompt == true ? $"The reward '{reward.Name}' reads the prompt" : null;
        if (promptColumnName is null && reader is not null)
        {
            throw new ArgumentNullException(nameof(promptColumnName), $"{reader}: name the column of prompts.");
        }

        if (promptColumnName is not null)
        {
            ArgumentException.ThrowIfNullOrEmpty(promptColumnName);
        }
    }

    /// <summary>The input's schema with the column of videos.</summary>
    public SchemaShape OutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        Require(inputSchema);
        return InputColumns.With(inputSchema, VideoColumn.Shape(Output));
    }

    /// <summary>Checks that the input has them.</summary>
    public void Require(SchemaShape inputSchema)
    {
        Check(Prompt, InputColumns.RequireText);
        Check(Image, InputColumns.RequireImage);
        Check(Seed, InputColumns.RequireInteger);

        void Check(string? name, Action<SchemaShape, string> require)
        {
            if (name is not null)
            {
                require(inputSchema, name);
            }
        }
    }

    /// <summary>The columns in a schema, in the order prompt, image, seed.</summary>
    public IReadOnlyList<DataViewSchema.Column> Find(DataViewSchema inputSchema)
    {
        var columns = new List<DataViewSchema.Column>();
        Add(Prompt, InputColumns.FindText);
        Add(Image, InputColumns.FindImage);
        Add(Seed, InputColumns.FindInteger);
        return columns;

        void Add(string? name, Func<DataViewSchema, string, DataViewSchema.Column> find)
        {
            if (name is not null)
            {
                columns.Add(find(inputSchema, name));
            }
        }
    }

    /// <summary>Reads the row the cursor stands on.</summary>
    /// <param name="row">The row.</param>
    /// <param name="images">Makes the prompt of what is read.</param>
    public Func<(VideoPrompt Prompt, long Seed)> Reader(DataViewRow row, PromptImages images)
    {
        Func<string> text = Prompt is null ? () => "" : Texts(row, InputColumns.FindText(row.Schema, Prompt));
        Func<Func<Tensor>>? image = Image is null ? null : ImageColumn.Reader(row, InputColumns.FindImage(row.Schema, Image), images.Size, images.Limits, images.Inform);
        Func<long> seed = Seed is null ? () => 0 : RowSeed.Reader(row, InputColumns.FindInteger(row.Schema, Seed));
        return () => (images.Resolve(text(), image?.Invoke()), seed());
    }

    /// <summary>Every row of a table, in its order: alignment draws rows at random, many times over. An empty prompt is a prompt like any other.</summary>
    /// <exception cref="InvalidOperationException">The table has no rows.</exception>
    public IReadOnlyList<VideoPrompt> Read(IDataView input, PromptImages images)
    {
        var rows = new List<VideoPrompt>();
        using DataViewRowCursor cursor = input.GetRowCursor(Find(input.Schema));
        Func<(VideoPrompt Prompt, long Seed)> read = Reader(cursor, images);
        while (cursor.MoveNext())
        {
            rows.Add(read().Prompt);
        }

        return rows.Count > 0
            ? rows
            : throw new InvalidOperationException($"There are no prompts: column '{Prompt ?? Image}' belongs to a table without rows. "
                + "Check the path and the separator of the file, and whether its first line is a header.");
    }

    private static Func<string> Texts(DataViewRow row, DataViewSchema.Column column)
    {
        ValueGetter<ReadOnlyMemory<char>> getter = row.GetGetter<ReadOnlyMemory<char>>(column);
        return () =>
        {
            ReadOnlyMemory<char> text = default;
            getter(ref text);
            return text.ToString();
        };
    }
}
