using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// How a video diffusion model is aligned, and how videos are then generated: plain data, by topic. The defaults are those of the released VADER code
/// (arXiv 2407.08737, github.com/mihirp1998/VADER at adaf2ef) unless a property says otherwise.
/// </summary>
/// <remarks>What watches, interrupts and saves a run stands beside it, in a <see cref="RunControl"/>.</remarks>
public sealed record VideoAlignmentOptions
{
    /// <summary>How videos are generated: size, denoising steps, guidance, columns.</summary>
    public VideoSamplingOptions Sampling { get; init; } = new();

    /// <summary>Which layers are adapted, with what rank and scale.</summary>
    public LoraOptions Lora { get; init; } = new();

    /// <summary>Videos and number of optimizer steps, and AdamW.</summary>
    public OptimizerOptions Optimizer { get; init; } = new();

    /// <summary>
    /// Where the gradient comes from: by default the reward's own (<see cref="AlignmentAlgorithm.RewardGradient"/>, VADER).
    /// <see cref="AlignmentAlgorithm.Ddpo"/> and <see cref="AlignmentAlgorithm.DiffusionDpo"/> take rewards without gradient, and only videos of one segment.
    /// </summary>
    public AlignmentAlgorithm Algorithm { get; init; } = AlignmentAlgorithm.RewardGradient();

    /// <summary>What the reward is shown, and the loss.</summary>
    public RewardOptions Reward { get; init; } = new();

    /// <summary>What is kept in memory, and the budget.</summary>
    public MemoryOptions Memory { get; init; } = new();

    /// <summary>Prompts that are never trained on, and what follows from their reward.</summary>
    public ValidationOptions Validation { get; init; } = new();

    /// <summary>The seed of everything random, training and generation; null (default): the seed of the <see cref="MLContext"/>.</summary>
    public int? Seed { get; init; }

    /// <summary>
    /// Whether saving the fitted transformer puts the files of the base model into the zip; false by default: the zip contains a reference to them (folder and
    /// hash) besides the LoRA weights.
    /// </summary>
    public bool IncludeBaseModel { get; init; }

    /// <summary>Checks all ranges and relations, before anything is done.</summary>
    /// <exception cref="ArgumentException">An option is invalid; the message lists every fault.</exception>
    public void Validate() => Throw(Faults());

    /// <summary>
    /// Fills in what the model decides: size, sampling, guidance, and the steps and frames that carry gradient. Fitting with the result is the same as fitting
    /// with these options.
    /// </summary>
    /// <param name="model">The model to align.</param>
    /// <param name="reward">What to align to; null: a reward that scores frames separately.</param>
    /// <returns>The options with no null where a number is used.</returns>
    /// <exception cref="ArgumentException">An option is out of range for the model; the message lists every fault.</exception>
    public VideoAlignmentOptions ResolveFor(VideoDiffusionModel model, VideoReward? reward = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ValidateFor(model);
        return this with
        {
            Sampling = Sampling.ResolveFor(model),
            Algorithm = new AlignmentAlgorithm(Algorithm.Definition.ResolveFor(model)),
            Reward = Reward with { Frames = ResolveFrames(reward) },
        };
    }

    /// <summary>Checks all ranges and relations, and what depends on the model, such as sizes it can make and steps its schedule can take.</summary>
    /// <param name="model">The model to align.</param>
    /// <exception cref="ArgumentException">An option is invalid; the message lists every fault.</exception>
    internal void ValidateFor(VideoDiffusionModel model)
    {
        model.RequireAlive();
        List<string> faults = Faults();
        if (Sampling is not null)
        {
            faults.AddRange(SamplingFaults.Find(Sampling, model));
        }

        if (Validation?.Prompts is { Count: > 0 } prompts && (model.Images == ImageUse.Required || IsGivenImages(model)))
        {
            faults.Add(
                $"Validation.{nameof(Validation.Prompts)} must be empty where a {model.Family} model is given images, got {prompts.Count} texts without "
                    + $"images; "
                + $"use Validation.{nameof(Validation.Data)}.");
        }

        // What rests on the ranges is checked where they hold.
        if (faults.Count == 0)
        {
            faults.AddRange(Algorithm.Definition.Faults(model, ResolveSampling(model)));
        }

        var others = new OptionFaults("Lora");
        var frames = new OptionFaults("Reward");
        if (faults.Count == 0)
        {
            string layers = Lora.Pattern is null ? nameof(Lora.Layers) : nameof(Lora.Pattern);
            others.Try<ArgumentException>(layers, () => Lora.TargetsFor(model.LoraVocabulary).Select(model.Denoiser));
            frames.Try<ArgumentException>(nameof(Reward.Frames), () => Reward.Frames?.Count(ResolveSampling(model).RewardFrameCount(model)));
        }

        Throw([.. faults, .. others.All, .. frames.All]);
    }

    /// <summary>Checks that no record is null, for code that reads them before it validates them.</summary>
    /// <exception cref="ArgumentException">A record is null; the message names it.</exception>
    internal void RequireRecords() => Throw(RecordFaults());

    /// <summary>Names a column of images where the model requires one, for code that gives it images of its own.</summary>
    /// <param name="model">The model to align.</param>
    /// <exception cref="ArgumentException">A record is null; the message names it.</exception>
    internal VideoAlignmentOptions WithImageColumn(VideoDiffusionModel model)
    {
        RequireRecords();
        return model.Images == ImageUse.Required ? this with { Sampling = Sampling with { ImageColumnName = Sampling.ImageColumnName ?? "Image" } } : this;
    }

    /// <summary>
    /// Tells whether training offloads idle networks. Not for videos of several segments, which are recomputed out of order and would need all networks all
    /// the time.
    /// </summary>
    /// <param name="device">The kind of device that the run uses.</param>
    internal bool OffloadsIdleNetworks(DeviceType device) => Memory.OffloadIdleNetworks && Algorithm.Definition.NeedsRewardGradient
        && device == DeviceType.CUDA && Sampling.SegmentCount == 1;

    /// <summary>Tells whether the denoiser's weights wait in the CPU's memory.</summary>
    /// <param name="device">The kind of device that the run uses.</param>
    internal bool StreamsWeights(DeviceType device) => Memory.StreamWeights && device == DeviceType.CUDA;

    /// <summary>Gets which frames a reward is shown.</summary>
    /// <param name="reward">The reward; null: one that scores frames separately.</param>
    internal RewardFrames ResolveFrames(VideoReward? reward) => Reward.ResolveFrames(reward, Algorithm.Definition.NeedsRewardGradient);

    /// <summary>Makes the settings of sampling under these options, with the model's usual values where an option is null.</summary>
    /// <param name="model">The model that samples.</param>
    internal SamplingSettings ResolveSampling(VideoDiffusionModel model) => Sampling.Resolve(model) with { RewardLatentFrames = Reward.LatentFrames };

    private static void Throw(List<string> faults, string parameter = "options")
    {
        if (faults.Count > 0)
        {
            throw new ArgumentException($"{nameof(VideoAlignmentOptions)}: {string.Join(' ', faults)}", parameter);
        }
    }

    private bool IsGivenImages(VideoDiffusionModel model) => model.Images == ImageUse.Optional && Sampling?.ImageColumnName is not null;

    private List<string> Faults()
    {
        List<string> faults = RecordFaults();
        if (faults.Count > 0)
        {
            return faults;
        }

        faults.AddRange([.. Sampling.Faults(), .. Lora.Faults(), .. Optimizer.Faults(), .. Memory.Faults(), .. Validation.Faults()]);
        faults.AddRange(Algorithm.Definition.Faults(Optimizer));
        if (!Algorithm.Definition.NeedsRewardGradient)
        {
            if (Memory.FramesPerDecode is { } frames)
            {
                faults.Add($"Memory.{nameof(Memory.FramesPerDecode)} must be left alone where the reward's gradient is not followed, got {frames}.");
            }

            if (Sampling.SegmentCount > 1)
            {
                faults.Add($"Sampling.{nameof(Sampling.SegmentCount)} must be 1 where the reward's gradient is not followed, got {Sampling.SegmentCount}.");
            }
        }

        if (Sampling.SegmentCount > 1 && Reward.LatentFrames)
        {
            faults.Add(
                $"Reward.{nameof(Reward.LatentFrames)} must be false for a video of several segments, got Sampling.{nameof(Sampling.SegmentCount)} "
                + $"{Sampling.SegmentCount}.");
        }

        return faults;
    }

    private List<string> RecordFaults() => [.. new (object? Record, string Name)[]
    {
        (Sampling, nameof(Sampling)), (Lora, nameof(Lora)), (Optimizer, nameof(Optimizer)), (Algorithm, nameof(Algorithm)), (Reward, nameof(Reward)),
        (Memory, nameof(Memory)), (Validation, nameof(Validation)),
    }.Where(pair => pair.Record is null).Select(pair => $"{pair.Name} must not be null; leave it out for the defaults.")];
}
