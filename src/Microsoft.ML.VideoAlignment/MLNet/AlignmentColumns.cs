using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>The names of an alignment's columns, of which at least one of prompt and image is set.</summary>
/// <param name="Output">The column of videos to make.</param>
/// <param name="Prompt">The text column; null: none.</param>
/// <param name="Seed">The column of whole numbers that tells rows of one prompt apart; null: none.</param>
/// <param name="Image">The column of images; null: none.</param>
internal sealed record AlignmentColumns(string Output, string? Prompt, string? Seed, string? Image)
{
    /// <summary>Checks that every column that a model and a reward read has a name.</summary>
    /// <param name="outputColumnName">The column of videos to make.</param>
    /// <param name="promptColumnName">The text column; null: none.</param>
    /// <param name="model">The model.</param>
    /// <param name="reward">The reward; null: none.</param>
    /// <exception cref="ArgumentException">A name is empty, or null where the column is read.</exception>
    public static void RequireNames(string outputColumnName, string? promptColumnName, VideoDiffusionModel model, VideoReward? reward)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        string? reader = model.Images != ImageUse.Required ? $"A {model.Family} model makes videos from texts"
            : reward?.Contract.ReadsPrompt == true ? $"The reward '{reward.Name}' reads the prompt"
            : null;
        if (promptColumnName is null && reader is not null)
        {
            throw new ArgumentNullException(nameof(promptColumnName), $"{reader}: name the column of prompts.");
        }

        if (promptColumnName is not null)
        {
            ArgumentException.ThrowIfNullOrEmpty(promptColumnName);
        }
    }

    /// <summary>Gives the schema with the column of videos added.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    public SchemaShape OutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        Require(inputSchema);
        return InputColumns.Append(inputSchema, VideoColumn.CreateShape(Output));
    }

    /// <summary>Checks that the input has the columns.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
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

    /// <summary>Finds the columns in a schema.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <returns>The columns that have names, in the order prompt, image, seed.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
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

    /// <summary>Makes a function that reads the row a cursor is on.</summary>
    /// <param name="row">The cursor, or the one row.</param>
    /// <param name="images">Makes a prompt from the text and the image that are read.</param>
    /// <returns>A function that gives the row's prompt and its seed, 0 without a seed column.</returns>
    public Func<(VideoPrompt Prompt, long Seed)> Reader(DataViewRow row, PromptImages images)
    {
        Func<string> text = Prompt is null ? () => "" : Texts(row, InputColumns.FindText(row.Schema, Prompt));
        Func<Func<Tensor>>? image = Image is null ? null
            : ImageColumn.CreateReader(row, InputColumns.FindImage(row.Schema, Image), images.Size, images.Limits, images.Inform);
        Func<long> seed = Seed is null ? () => 0 : RowSeed.CreateReader(row, InputColumns.FindInteger(row.Schema, Seed));
        return () => (images.Resolve(text(), image?.Invoke()), seed());
    }

    /// <summary>
    /// Reads every row of a table, in its order: alignment draws rows at random, many times over. An empty prompt is a prompt like any other.
    /// </summary>
    /// <param name="input">The table.</param>
    /// <param name="images">Makes a prompt from the text and the image that are read.</param>
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
