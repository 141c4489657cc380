using Microsoft.ML.VideoAlignment.MovingShapes;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Prompts and first images for the models of this package.</summary>
public static class MovingShapesPrompts
{
    /// <summary>The prompts for training.</summary>
    public static IReadOnlyList<string> Training => VideoPrompts.FromTsv(TrainingFile, "Prompt");

    /// <summary>Prompts to compare on: no color, shape and motion of these occur together in the others.</summary>
    public static IReadOnlyList<string> Unseen => VideoPrompts.FromTsv(UnseenFile, "Prompt");

    /// <summary>
    /// The path of <see cref="Training"/> as a table with tabs: a line of names, then the prompt with its color, shape, motion and
    /// background.
    /// </summary>
    public static string TrainingFile => MovingShapesFiles.Find(Path.Combine("prompts", "train.tsv"));

    /// <summary>The path of <see cref="Unseen"/> as a table, as <see cref="TrainingFile"/>.</summary>
    public static string UnseenFile => MovingShapesFiles.Find(Path.Combine("prompts", "unseen.tsv"));

    /// <summary>Images of one shape each to begin training videos with: the path of a file of 32 x 32 pixels, and its description.</summary>
    public static IReadOnlyList<(string Image, string Prompt)> TrainingImages => Images("train.tsv");

    /// <summary>Images to compare on, as <see cref="TrainingImages"/>.</summary>
    public static IReadOnlyList<(string Image, string Prompt)> UnseenImages => Images("unseen.tsv");

    private static (string Image, string Prompt)[] Images(string file)
    {
        string folder = MovingShapesFiles.Find("images");
        IEnumerable<string[]> rows = File.ReadLines(Path.Combine(folder, file)).Skip(1).Select(line => line.Split('\t'));
        return [.. rows.Select(cells => (Path.Combine(folder, cells[0]), cells[1]))];
    }
}
