using Microsoft.ML;
using Microsoft.ML.VideoAlignment;

namespace Examples;

/// <summary>What goes with the embedded model: its prompts, and settings that work on it.</summary>
internal static class MovingShapesWorld
{
    /// <summary>
    /// Found by trial: LoRA in every layer, guidance 1.5 (more saturates colors). Gradient through two steps of 20 and all frames give cleaner images than
    /// one step and one frame, which dot the backdrop.
    /// </summary>
    public static VideoAlignmentOptions Options { get; } = new()
    {
        LoraRank = 8,
        LoraAlpha = 8,
        LearningRate = 2e-3,
        BatchSize = 4,
        InferenceSteps = 20,
        GuidanceScale = 1.5,
        GradientSteps = 2,
        RewardFrames = RewardFrames.All,
        Recompute = ActivationRecompute.None,
    };

    /// <summary>
    /// For rewards of what is seen and how it moves. The early steps decide that, from noise; the last ones draw detail, and their gradient cannot move a
    /// figure. So gradient goes to every second of the first twelve steps, past the others, with each step's input held constant (DRTune): six gradient steps
    /// instead of a chain of twenty. The clean prediction of step 13 is sharp enough to be scored; the six steps after it are not run.
    /// </summary>
    public static VideoAlignmentOptions EarlyOptions { get; } = Options with
    {
        LearningRate = 1e-3,
        GradientSteps = 1,
        RewardFrames = null,
        GradientWindow = GradientWindow.DrTune([0, 2, 4, 6, 8, 10], stop: 13),
    };

    /// <summary>That window in words.</summary>
    public const string EarlySteps = "steps 0, 2, .. 10, scored at step 13";

    /// <summary>
    /// For the image-to-video model: the steps that move the video most, as the sampler's tables tell, since the last ones hardly do.
    /// </summary>
    public static VideoAlignmentOptions ImageOptions { get; } = Options with
    {
        ImageColumnName = nameof(ImageRow.Image),
        LearningRate = 1e-3,
        GradientSteps = 1,
        GradientWindow = GradientWindow.MostSensitive(3),
    };

    /// <summary>That window in words.</summary>
    public const string ImageSteps = "the 3 steps that move the video most";

    /// <summary>As <see cref="EarlyOptions"/>, for the image-to-video model: how a figure moves is decided early.</summary>
    public static VideoAlignmentOptions ImageEarlyOptions { get; } = ImageOptions with { LearningRate = 2e-3, GradientWindow = EarlyOptions.GradientWindow, RewardFrames = null };

    /// <summary>Its folder beside the program.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "MovingShapes");

    /// <summary>The prompts for training; those with <paramref name="word"/> in them, or all.</summary>
    public static IDataView Prompts(MLContext mlContext, string word = "") => Prompts(mlContext, "train.tsv", word);

    /// <summary>Prompts to compare on: no color, shape and motion of these occur together in the others.</summary>
    public static IDataView Unseen(MLContext mlContext, string word = "") => Prompts(mlContext, "unseen.tsv", word);

    /// <summary>The images for training.</summary>
    public static IDataView Images(MLContext mlContext) => Images(mlContext, "train.tsv");

    /// <summary>Images to compare on.</summary>
    public static IDataView UnseenImages(MLContext mlContext) => Images(mlContext, "unseen.tsv");

    private static IDataView Images(MLContext mlContext, string file)
    {
        string folder = Path.Combine(Folder, "pictures");
        return mlContext.Data.LoadFromEnumerable(File.ReadLines(Path.Combine(folder, file)).Skip(1).Select(line => line.Split('\t'))
            .Select(cells => new ImageRow { Image = Path.Combine(folder, cells[0]), Prompt = cells[1] }).ToArray());
    }

    private static IDataView Prompts(MLContext mlContext, string file, string word)
    {
        IDataView all = PromptRow.Load(mlContext, Path.Combine(Folder, "prompts", file));
        return word.Length == 0 ? all : mlContext.Data.LoadFromEnumerable(PromptRow.Read(mlContext, all).Where(row => row.Prompt.Contains(word, StringComparison.Ordinal)).ToArray());
    }
}
