using System.Collections.ObjectModel;
using Microsoft.ML.VideoAlignment.MovingShapes;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Prompts and first images for the models of this package.</summary>
public static class MovingShapesPrompts
{
    // A read that fails is tried again.
    private static readonly Lazy<IReadOnlyList<string>> s_training =
        new(static () => VideoPrompts.FromTsv(TrainingFile, "Prompt"), LazyThreadSafetyMode.PublicationOnly);

    private static readonly Lazy<IReadOnlyList<string>> s_unseen =
        new(static () => VideoPrompts.FromTsv(UnseenFile, "Prompt"), LazyThreadSafetyMode.PublicationOnly);

    private static readonly Lazy<IReadOnlyList<(string Image, string Prompt)>> s_trainingImages =
        new(static () => ReadImages("train.tsv"), LazyThreadSafetyMode.PublicationOnly);

    private static readonly Lazy<IReadOnlyList<(string Image, string Prompt)>> s_unseenImages =
        new(static () => ReadImages("unseen.tsv"), LazyThreadSafetyMode.PublicationOnly);

    /// <summary>The prompts for training.</summary>
    public static IReadOnlyList<string> Training => s_training.Value;

    /// <summary>Prompts to compare on: no color, shape and motion of these occur together in the others.</summary>
    public static IReadOnlyList<string> Unseen => s_unseen.Value;

    /// <summary>
    /// The path of <see cref="Training"/> as a table with tabs: a line of names, then the prompt with its color, shape, motion and
    /// background.
    /// </summary>
    public static string TrainingFile => MovingShapesFiles.Find(Path.Combine("prompts", "train.tsv"));

    /// <summary>The path of <see cref="Unseen"/> as a table, as <see cref="TrainingFile"/>.</summary>
    public static string UnseenFile => MovingShapesFiles.Find(Path.Combine("prompts", "unseen.tsv"));

    /// <summary>Images of one shape each to begin training videos with: the path of a file of 32 x 32 pixels, and its description.</summary>
    public static IReadOnlyList<(string Image, string Prompt)> TrainingImages => s_trainingImages.Value;

    /// <summary>Images to compare on, as <see cref="TrainingImages"/>.</summary>
    public static IReadOnlyList<(string Image, string Prompt)> UnseenImages => s_unseenImages.Value;

    private static ReadOnlyCollection<(string Image, string Prompt)> ReadImages(string file)
    {
        string folder = MovingShapesFiles.Find("images");
        IEnumerable<string[]> rows = File.ReadLines(Path.Combine(folder, file)).Skip(1).Select(line => line.Split('\t'));
        return Array.AsReadOnly(rows.Select(cells => (Path.Combine(folder, cells[0]), cells[1])).ToArray());
    }
}
