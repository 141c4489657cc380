using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Makes prompts from files and word lists, in the forms that VADER's prompt sets have.</summary>
public static class VideoPrompts
{
    /// <summary>
    /// The 45 common animals of DDPO (arXiv 2305.13301, appendix; <c>simple_animals.txt</c> of its released code), which VADER's prompts have too.
    /// </summary>
    public static IReadOnlyList<string> Animals { get; } =
    [
        "cat", "dog", "horse", "monkey", "rabbit", "zebra", "spider", "bird", "sheep", "deer", "cow", "goat", "lion", "tiger", "bear", "raccoon", "fox", "wolf",
        "lizard", "beetle", "ant", "butterfly", "fish", "shark", "whale", "dolphin", "squirrel", "mouse", "rat", "snake", "turtle", "frog", "chicken", "duck",
        "goose", "bee", "pig", "turkey", "fly", "llama", "camel", "bat", "gorilla", "hedgehog", "kangaroo",
    ];

    /// <summary>The three activities of DDPO (arXiv 2305.13301), which VADER's prompts have too.</summary>
    public static IReadOnlyList<string> Activities { get; } = ["washing the dishes", "riding a bike", "playing chess"];

    /// <summary>
    /// Activities with musical instruments, for prompts of the kind of VADER's instrument set. That set itself is 50 sentences in a file of VADER's released
    /// code, which <see cref="FromTextFile"/> reads.
    /// </summary>
    public static IReadOnlyList<string> Instruments { get; } =
    [
        "playing the guitar", "playing the piano", "playing the drums", "playing the violin", "playing the cello", "playing the flute", "playing the trumpet",
        "playing the saxophone", "playing the harp", "playing the accordion", "playing the clarinet", "playing the banjo",
    ];

    /// <summary>
    /// VADER's 135 activity prompts (arXiv 2407.08737, section 5): each of <see cref="Animals"/> with each of <see cref="Activities"/>.
    /// </summary>
    public static IReadOnlyList<string> AnimalActivities { get; } = NounsAndActivities(Animals, Activities);

    /// <summary>Reads one prompt per line, without leading and trailing blanks; empty lines are skipped.</summary>
    /// <param name="path">A text file in UTF-8.</param>
    /// <exception cref="FileNotFoundException">The file does not exist.</exception>
    /// <exception cref="InvalidDataException">The file has no prompts, or is not UTF-8.</exception>
    public static IReadOnlyList<string> FromTextFile(string path)
    {
        string[] prompts = [.. Lines(path).Select(line => line.Trim()).Where(line => line.Length > 0)];
        return prompts.Length > 0 ? prompts : throw new InvalidDataException($"{path} has no prompts: expected one per line, and every line is empty.");
    }

    /// <summary>
    /// Reads one column of a table whose cells are separated by tabs and whose first line names the columns. A cell may be in double quotes, with quotes inside
    /// doubled; rows whose cell is empty are skipped.
    /// </summary>
    /// <param name="path">A text file in UTF-8.</param>
    /// <param name="column">The column's name, in the file's own letter case.</param>
    /// <exception cref="FileNotFoundException">The file does not exist.</exception>
    /// <exception cref="InvalidDataException">The file has no such column, a row is too short, there are no prompts, or it is not UTF-8.</exception>
    public static IReadOnlyList<string> FromTsv(string path, string column)
    {
        ArgumentException.ThrowIfNullOrEmpty(column);
        string[] lines = Lines(path);
        string[] names = lines.Length == 0 ? [] : [.. Cells(lines[0]).Select(Cell)];
        int[] places = [.. Enumerable.Range(0, names.Length).Where(place => names[place] == column)];
        if (places.Length != 1)
        {
            string found = names.Length == 0 ? "nothing" : Quotation.Shorten(string.Join(", ", names.Select(name => $"'{name}'")));
            throw new InvalidDataException($"{path}: {(places.Length == 0 ? "no" : "more than one")} column '{column}'; its first line names {found}.");
        }

        List<string> prompts = [];
        for (int row = 1; row < lines.Length; row++)
        {
            string[] cells = Cells(lines[row]);
            if (lines[row].Trim().Length > 0)
            {
                prompts.Add(places[0] < cells.Length ? Cell(cells[places[0]])
                    : throw new InvalidDataException(
                        $"{path}, line {row + 1}: {cells.Length} cells, but column '{column}' is number {places[0] + 1}. Are the cells separated by tabs?"));
            }
        }

        prompts.RemoveAll(prompt => prompt.Length == 0);
        return prompts.Count > 0 ? prompts : throw new InvalidDataException($"{path} has no prompts: column '{column}' is empty.");
    }

    /// <summary>
    /// Combines every noun with every activity: "cat" and "riding a bike" give "a cat riding a bike". With the 45 animals and 3 activities of DDPO
    /// (arXiv 2305.13301) these are VADER's 135 activity prompts.
    /// </summary>
    /// <param name="nouns">Nouns without article, such as the lines of a file; they get "a" or "an" by their sound. Not empty.</param>
    /// <param name="activities">Activities such as "washing the dishes"; not empty.</param>
    /// <returns>The first noun with each activity, then the second, and so on.</returns>
    public static IReadOnlyList<string> NounsAndActivities(IReadOnlyList<string> nouns, IReadOnlyList<string> activities)
    {
        (nouns, activities) = (Words(nouns, nameof(nouns)), Words(activities, nameof(activities)));
        return [.. nouns.SelectMany(noun => activities.Select(activity => $"{IndefiniteArticle.AddTo(noun)} {activity}"))];
    }

    /// <summary>
    /// Draws combinations of <see cref="NounsAndActivities(IReadOnlyList{string}, IReadOnlyList{string})"/> with replacement, a noun and an activity each time,
    /// as VADER draws them.
    /// </summary>
    /// <param name="nouns">Nouns without article; not empty.</param>
    /// <param name="activities">Activities; not empty.</param>
    /// <param name="count">The number of prompts, at least 1.</param>
    /// <param name="seed">The seed; the same seed gives the same prompts.</param>
    public static IReadOnlyList<string> NounsAndActivities(IReadOnlyList<string> nouns, IReadOnlyList<string> activities, int count, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        (nouns, activities) = (Words(nouns, nameof(nouns)), Words(activities, nameof(activities)));
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
            $"{IndefiniteArticle.AddTo(nouns[random.Next(nouns.Count)])} {activities[random.Next(activities.Count)]}")];
    }

    /// <summary>Makes a table with one text column of prompts, to fit and to transform.</summary>
    /// <param name="data">The data catalog, <c>mlContext.Data</c>.</param>
    /// <param name="prompts">The prompts, one row each.</param>
    /// <param name="columnName">The column's name. Default: Prompt.</param>
    public static IDataView LoadFromPrompts(this DataOperationsCatalog data, IEnumerable<string> prompts, string columnName = nameof(Row.Prompt))
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentException.ThrowIfNullOrEmpty(columnName);
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Prompt)].ColumnName = columnName;
        return data.LoadFromEnumerable(prompts.Select(prompt => new Row { Prompt = prompt }).ToArray(), schema);
    }

    private static string[] Lines(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string[] lines = File.Exists(path) ? File.ReadAllLines(path)
            : throw new FileNotFoundException($"There is no prompt file at {Path.GetFullPath(path)}.", path);

        // Bytes that are not UTF-8 are decoded to U+FFFD; UTF-16 without a byte order mark has a NUL in each letter.
        int foreign = Array.FindIndex(lines, line => line.AsSpan().IndexOfAny('\ufffd', '\0') >= 0);
        return foreign < 0 ? lines
            : throw new InvalidDataException(
                $"{path}, line {foreign + 1}: holds {(lines[foreign].Contains('\0') ? "NUL characters" : "letters that are not UTF-8")}. Save the file as "
                    + $"UTF-8.");
    }

    // A tab between the quotes of a cell does not divide it; quotes count only in a cell that begins with one.
    private static string[] Cells(string line)
    {
        List<string> cells = [];
        int begin = 0;
        bool isBlank = true, isQuoted = false, isOpen = false;
        for (int i = 0; i < line.Length; i++)
        {
            if (line[i] == '\t' && !isOpen)
            {
                cells.Add(line[begin..i]);
                (begin, isBlank, isQuoted) = (i + 1, true, false);
            }
            else if (line[i] == '"')
            {
                isQuoted |= isBlank;
                isOpen ^= isQuoted;
                isBlank = false;
            }
            else
            {
                isBlank &= char.IsWhiteSpace(line[i]);
            }
        }

        cells.Add(line[begin..]);

        // A quote that nothing closes is a letter like others.
        return isOpen ? line.Split('\t') : [.. cells];
    }

    private static string Cell(string text)
    {
        string cell = text.Trim();
        return cell.Length >= 2 && cell[0] == '"' && cell[^1] == '"' ? cell[1..^1].Replace("\"\"", "\"", StringComparison.Ordinal).Trim() : cell;
    }

    private static string[] Words(IReadOnlyList<string> words, string name)
    {
        ArgumentNullException.ThrowIfNull(words, name);
        string[] trimmed = [.. words.Select(word => word.Trim()).Where(word => word.Length > 0)];
        return trimmed.Length > 0 ? trimmed : throw new ArgumentException("There are no words to compose prompts of.", name);
    }

    private sealed class Row
    {
        public string Prompt { get; set; } = "";
    }
}
