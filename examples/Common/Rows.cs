using Microsoft.ML;
using Microsoft.ML.Data;

namespace Examples;

/// <summary>A row of the prompt tables; more columns may follow.</summary>
internal sealed class PromptRow
{
    [LoadColumn(0)]
    public string Prompt { get; set; } = "";

    /// <summary>Opens a table of prompts.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="path">A tab-separated file with a header, the prompt first.</param>
    public static IDataView Load(MLContext mlContext, string path) => mlContext.Data.LoadFromTextFile<PromptRow>(path, hasHeader: true);

    /// <summary>Opens a table of prompts that an option names.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="option">The option, as the error names it.</param>
    /// <param name="path">A tab-separated file with a header, the prompt first.</param>
    /// <param name="least">How many prompts it must have.</param>
    /// <exception cref="UsageException">It cannot be read, or has too few.</exception>
    public static IDataView Load(MLContext mlContext, string option, string path, int least = 1) => CommandLine.Open(option, () =>
    {
        IDataView rows = Load(mlContext, path);
        int count = Read(mlContext, rows).Take(least).Count();
        return count == least ? rows : throw new UsageException($"{option}: '{path}' has {count} prompts below its header, expected at least {least}");
    });

    /// <summary>Reads the rows of a table.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="rows">The table.</param>
    public static IEnumerable<PromptRow> Read(MLContext mlContext, IDataView rows) => mlContext.Data.CreateEnumerable<PromptRow>(rows, reuseRowObject: false);
}

/// <summary>A row of the image tables: the file that a video begins with, and what it shows.</summary>
internal sealed class ImageRow
{
    public string Prompt { get; set; } = "";

    public string Image { get; set; } = "";
}

/// <summary>The two videos of one unseen prompt, on the same seed.</summary>
/// <param name="Prompt">The prompt.</param>
/// <param name="Before">The base model's video, [T, 3, H, W].</param>
/// <param name="After">The aligned model's video, [T, 3, H, W].</param>
/// <param name="ScoresBefore">The base model's scores, in the order of the measures.</param>
/// <param name="ScoresAfter">The aligned model's scores, in the order of the measures.</param>
internal sealed record ShapesVideo(string Prompt, float[] Before, float[] After, float[] ScoresBefore, float[] ScoresAfter);

/// <summary>Names of the video columns.</summary>
internal static class Columns
{
    public const string Base = "BaseVideo";
    public const string Aligned = "Video";
}
