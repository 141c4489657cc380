using Microsoft.ML;
using Microsoft.ML.Data;

namespace Examples;

/// <summary>A row of the prompt tables; more columns may follow.</summary>
internal sealed class PromptRow
{
    [LoadColumn(0)]
    public string Prompt { get; set; } = "";

    public static IDataView Load(MLContext mlContext, string path) => mlContext.Data.LoadFromTextFile<PromptRow>(path, hasHeader: true);

    /// <summary>The prompts of a file that an option names.</summary>
    /// <exception cref="UsageException">It cannot be read, or has too few.</exception>
    public static IDataView Load(MLContext mlContext, string option, string path, int least = 1) => CommandLine.Open(option, () =>
    {
        IDataView rows = Load(mlContext, path);
        int count = Read(mlContext, rows).Take(least).Count();
        return count == least ? rows : throw new UsageException($"{option}: '{path}' has {count} prompts below its header, expected at least {least}");
    });

    public static IEnumerable<PromptRow> Read(MLContext mlContext, IDataView rows) => mlContext.Data.CreateEnumerable<PromptRow>(rows, reuseRowObject: false);
}

/// <summary>A row of the image tables: the file that a video begins with, and what it shows.</summary>
internal sealed class ImageRow
{
    public string Prompt { get; set; } = "";

    public string Image { get; set; } = "";
}

/// <summary>One unseen prompt: the base model's video and the aligned model's on the same seed, with their scores in the order of the measures.</summary>
internal sealed record ShapesVideo(string Prompt, float[] Before, float[] After, float[] ScoresBefore, float[] ScoresAfter);

/// <summary>Names of the video columns.</summary>
internal static class Columns
{
    public const string Base = "BaseVideo";
    public const string Aligned = "Video";
}
