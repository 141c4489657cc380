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
        Sampling = new() { Steps = 20, GuidanceScale = 1.5 },
        Lora = new() { Rank = 8, Alpha = 8 },
        Optimizer = new() { LearningRate = 2e-3, BatchSize = 4 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 2 }),
        Reward = new() { Frames = RewardFrames.All },
        Memory = new() { Recompute = ActivationRecompute.None },
    };

    /// <summary>The gradient steps of <see cref="Options"/> in words.</summary>
    public const string LastSteps = "the last 2";

    private static readonly GradientWindow s_early = GradientWindow.DrTune([0, 2, 4, 6, 8, 10], stop: 13);

    /// <summary>
    /// For rewards of what is seen and how it moves. The early steps decide that, from noise; the last ones draw detail, and their gradient cannot move a
    /// figure. So gradient goes to every second of the first twelve steps, past the others, with each step's input held constant (DRTune): six gradient steps
    /// instead of a chain of twenty. The clean prediction of step 13 is sharp enough to be scored; the six steps after it are not run.
    /// </summary>
    public static VideoAlignmentOptions EarlyOptions { get; } = Options with
    {
        Optimizer = Options.Optimizer with { LearningRate = 1e-3 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = s_early }),
        Reward = Options.Reward with { Frames = null },
    };

    /// <summary>The window of <see cref="EarlyOptions"/> in words.</summary>
    public const string EarlySteps = "steps 0, 2, .. 10, scored at step 13";

    /// <summary>
    /// For the image-to-video model: the steps that move the video most, as the sampler's tables tell, since the last ones hardly do.
    /// </summary>
    public static VideoAlignmentOptions ImageOptions { get; } = Options with
    {
        Sampling = Options.Sampling with { ImageColumnName = nameof(ImageRow.Image) },
        Optimizer = Options.Optimizer with { LearningRate = 1e-3 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.MostSensitive(3) }),
    };

    /// <summary>The window of <see cref="ImageOptions"/> in words.</summary>
    public const string ImageSteps = "the 3 steps that move the video most";

    /// <summary>For rewards of how things move, with the image-to-video model: that is decided early, as with <see cref="EarlyOptions"/>.</summary>
    public static VideoAlignmentOptions ImageEarlyOptions { get; } = ImageOptions with
    {
        Optimizer = ImageOptions.Optimizer with { LearningRate = 2e-3 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = s_early }),
        Reward = ImageOptions.Reward with { Frames = null },
    };

    /// <summary>The folder of the models beside the program.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "MovingShapes");

    /// <summary>Reads the prompts for training.</summary>
    /// <param name="mlContext">The context of the table.</param>
    /// <param name="word">What a prompt has to contain; empty: all are read.</param>
    public static IDataView Prompts(MLContext mlContext, string word = "") => Prompts(mlContext, MovingShapesPrompts.TrainingFile, word);

    /// <summary>Reads prompts to compare on: no color, shape and motion of these occur together in the others.</summary>
    /// <inheritdoc cref="Prompts(MLContext, string)"/>
    public static IDataView Unseen(MLContext mlContext, string word = "") => Prompts(mlContext, MovingShapesPrompts.UnseenFile, word);

    /// <summary>Reads the images for training.</summary>
    /// <param name="mlContext">The context of the table.</param>
    public static IDataView Images(MLContext mlContext) => Images(mlContext, MovingShapesPrompts.TrainingImages);

    /// <summary>Reads images to compare on.</summary>
    /// <param name="mlContext">The context of the table.</param>
    public static IDataView UnseenImages(MLContext mlContext) => Images(mlContext, MovingShapesPrompts.UnseenImages);

    private static IDataView Images(MLContext mlContext, IReadOnlyList<(string Image, string Prompt)> images) =>
        mlContext.Data.LoadFromEnumerable(images.Select(row => new ImageRow { Image = row.Image, Prompt = row.Prompt }).ToArray());

    private static IDataView Prompts(MLContext mlContext, string file, string word)
    {
        IDataView all = PromptRow.Load(mlContext, file);
        return word.Length == 0
            ? all
            : mlContext.Data.LoadFromEnumerable(PromptRow.Read(mlContext, all).Where(row => row.Prompt.Contains(word, StringComparison.Ordinal)).ToArray());
    }
}
