using Microsoft.ML.VideoAlignment;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML;

/// <summary>Adds video alignment, generation, scoring and evaluation to <see cref="MLContext"/>.</summary>
public static class VideoAlignmentCatalog
{
    /// <summary>
    /// Aligns a video diffusion model to a reward (VADER, arXiv 2407.08737) with default options. <c>Fit</c> trains LoRA weights on the prompts; the
    /// fitted transformer generates a video for each prompt.
    /// </summary>
    /// <param name="catalog">The transforms catalog.</param>
    /// <param name="outputColumnName">The video column to make: <c>Vector&lt;Single, T, 3, H, W&gt;</c>, RGB in [0, 1].</param>
    /// <param name="promptColumnName">The text column with the prompts.</param>
    /// <param name="model">The base model. The caller disposes it, after the transformers that use it.</param>
    /// <param name="reward">What to align to. The caller disposes it.</param>
    /// <exception cref="ArgumentException">The defaults do not fit the model; the message lists every fault.</exception>
    public static VideoAlignmentEstimator AlignVideoDiffusion(
        this TransformsCatalog catalog, string outputColumnName, string promptColumnName, VideoDiffusionModel model, VideoReward reward) =>
        catalog.AlignVideoDiffusion(outputColumnName, promptColumnName, model, reward, new VideoAlignmentOptions());

    /// <inheritdoc cref="AlignVideoDiffusion(TransformsCatalog, string, string, VideoDiffusionModel, VideoReward)"/>
    /// <param name="catalog">The transforms catalog.</param>
    /// <param name="outputColumnName">The video column to make: <c>Vector&lt;Single, T, 3, H, W&gt;</c>, RGB in [0, 1].</param>
    /// <param name="promptColumnName">
    /// The text column with the prompts; null for a model that makes videos from images (<see cref="VideoAlignmentOptions.ImageColumnName"/>), where the
    /// reward reads no prompt either.
    /// </param>
    /// <param name="model">The base model. The caller disposes it, after the transformers that use it.</param>
    /// <param name="reward">What to align to. The caller disposes it.</param>
    /// <param name="options">How the model is trained, and how videos are then generated.</param>
    /// <exception cref="ArgumentException">Options are out of range; the message lists every fault.</exception>
    public static VideoAlignmentEstimator AlignVideoDiffusion(
        this TransformsCatalog catalog, string outputColumnName, string? promptColumnName, VideoDiffusionModel model, VideoReward reward,
        VideoAlignmentOptions options)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        var columns = new AlignmentColumns(outputColumnName, promptColumnName, options?.SeedColumnName, options?.ImageColumnName);
        return new VideoAlignmentEstimator(MlNetInterop.GetEnvironment(catalog), columns, model, reward, options!);
    }

    /// <summary>Generates a video for each prompt with a model as it is, or with LoRA weights from files: no training, no reward.</summary>
    /// <param name="catalog">The transforms catalog.</param>
    /// <param name="outputColumnName">The video column to make: <c>Vector&lt;Single, T, 3, H, W&gt;</c>, RGB in [0, 1].</param>
    /// <param name="promptColumnName">The text column to generate from; null for models that make videos from images.</param>
    /// <param name="model">The base model. The caller disposes it, after the transformers that use it.</param>
    /// <param name="options">How videos are sampled; what concerns training is not read. Null: the defaults.</param>
    /// <param name="loras">LoRA files of any format, mixed by their strengths: W + sum of strength x delta; none: the base model.</param>
    /// <exception cref="ArgumentException">Options are out of range; the message lists every fault.</exception>
    public static VideoGenerationEstimator GenerateVideo(
        this TransformsCatalog catalog, string outputColumnName, string? promptColumnName, VideoDiffusionModel model, VideoAlignmentOptions? options = null,
        params IReadOnlyList<VideoLora> loras)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(loras);
        var columns = new AlignmentColumns(outputColumnName, promptColumnName, options?.SeedColumnName, options?.ImageColumnName);
        return new VideoGenerationEstimator(MlNetInterop.GetEnvironment(catalog), columns, model, options ?? new VideoAlignmentOptions(), loras);
    }

    /// <summary>
    /// Scores a column of videos with a reward. Reading the score of a video with values outside [0, 1] (by more than 1e-3) is an error that gives the value.
    /// </summary>
    /// <param name="catalog">The transforms catalog.</param>
    /// <param name="outputColumnName">The <see cref="float"/> column to make.</param>
    /// <param name="videoColumnName">The videos: <c>Vector&lt;Single, T, 3, H, W&gt;</c>, RGB in [0, 1].</param>
    /// <param name="reward">The reward. The caller disposes it.</param>
    /// <param name="promptColumnName">The text column with the prompts, for a reward that reads them; null: none.</param>
    /// <param name="clampFrames">Whether values outside [0, 1] are clamped instead of refused. NaN is refused all the same.</param>
    /// <exception cref="ArgumentException">The reward reads the prompt and no column is named.</exception>
    public static VideoScoringEstimator ScoreVideo(
        this TransformsCatalog catalog, string outputColumnName, string videoColumnName, VideoReward reward, string? promptColumnName = null,
        bool clampFrames = false)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(reward);
        if (reward.Contract.ReadsPrompt && promptColumnName is null)
        {
            throw new ArgumentException($"The reward '{reward.Name}' reads the prompt: name its column.", nameof(promptColumnName));
        }

        var columns = new ScoringColumns(outputColumnName, videoColumnName, promptColumnName, clampFrames);
        return new VideoScoringEstimator(MlNetInterop.GetEnvironment(catalog), columns, reward);
    }

    /// <summary>
    /// Computes the mean score, its spread and confidence interval, and, compared with the base model's scores, gain and win rate. Reads the data once.
    /// </summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="data">The table of scored videos.</param>
    /// <param name="scoreColumnName">The <see cref="float"/> column of scores.</param>
    /// <param name="baseScoreColumnName">The scores of the base model's videos for the same rows; null: no comparison.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    /// <exception cref="InvalidOperationException">There are no rows, or a score is not finite.</exception>
    public static VideoAlignmentMetrics EvaluateVideoAlignment(
        this MLContext mlContext, IDataView data, string scoreColumnName, string? baseScoreColumnName = null)
    {
        ArgumentNullException.ThrowIfNull(mlContext);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentException.ThrowIfNullOrEmpty(scoreColumnName);
        return VideoAlignmentEvaluator.Evaluate(data, scoreColumnName, baseScoreColumnName);
    }

    /// <summary>
    /// Lets <c>mlContext.Model.Load</c> load alignments and scorings, and sets what they may open. Call it once in a process that loads without having made an
    /// estimator of this library; without it, ML.NET says "Error during class instantiation", caused by "Couldn't load model".
    /// </summary>
    /// <remarks>
    /// A saved model may come from a stranger. What is inside it and what comes with this library is opened; a path that it names is opened only where this
    /// process saved a model that names it, or inside <paramref name="trustedFolders"/>; nothing is downloaded without <paramref name="hub"/>; no program is
    /// run without <paramref name="allowTorchScript"/>. What <paramref name="resolveBaseModel"/> and <paramref name="movedRewardFiles"/> give is the program's
    /// own choice. Hashes are compared in every case.
    /// </remarks>
    /// <param name="mlContext">The context that will load.</param>
    /// <param name="resolveBaseModel">
    /// Supplies base models that have moved, that are loaded already, or whose path may not be opened; it may return null to have the model opened where it was
    /// when the alignment was saved. The transformer checks the model's hash, and does not dispose it. Null (default): no resolver.
    /// </param>
    /// <param name="movedRewardFiles">
    /// New paths, by old path, of files that rewards of saved <c>ScoreVideo</c> transforms were made from. Null (default): none.
    /// </param>
    /// <param name="hub">
    /// How to look for a base model that an alignment names by its hub id; its revision is the alignment's. Null (default): in the local cache alone, nothing
    /// is downloaded.
    /// </param>
    /// <param name="trustedFolders">Folders whose files saved models may name, symbolic links followed. Null (default): none.</param>
    /// <param name="allowTorchScript">
    /// Whether TorchScript programs that saved rewards name may run: they are code and can do anything. Their path must be allowed as well. Default: false.
    /// </param>
    /// <exception cref="ArgumentException">A trusted folder is empty or null.</exception>
    public static void RegisterVideoAlignment(
        this MLContext mlContext,
        Func<VideoModelReference, VideoDiffusionModel?>? resolveBaseModel = null,
        IReadOnlyDictionary<string, string>? movedRewardFiles = null,
        HubOptions? hub = null,
        IReadOnlyList<string>? trustedFolders = null,
        bool allowTorchScript = false)
    {
        ArgumentNullException.ThrowIfNull(mlContext);
        foreach (string folder in trustedFolders ?? [])
        {
            ArgumentException.ThrowIfNullOrWhiteSpace(folder, nameof(trustedFolders));
        }

        LoaderRegistration.Register(mlContext);
        var permission = new LoadPermission([.. (trustedFolders ?? []).Select(Path.GetFullPath)], allowTorchScript);
        ModelResolver.Register(mlContext, new ModelResolver(ModelResolver.OpenSource, resolveBaseModel, movedRewardFiles, hub, permission));
    }
}
