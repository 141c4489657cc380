using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the host reads of the device in a training step, for each of which it waits: a handful, and none between denoising steps.</summary>
[NonParallelizable]
public class HostReadsOfStepsTests
{
    private const int Steps = 4;

    /// <summary>Norm of the gradient, the adapters as they are for a rescue, and whether the updated ones are finite.</summary>
    private const string Update = "Backward: Update, Backward: FinishedAdapters, Backward: FindInFactors";

    /// <summary>Whether latents and frames are finite, each once they are done, and the scores.</summary>
    private const string Scored = "Sampling: FindNotFinite, Decoding: FindNotFinite, Scoring: Require";

    /// <summary>A rollout's scores put together, which are in the CPU's memory by then.</summary>
    private const string Together = "Scoring: Require, Scoring: BoundRounding, Scoring: Finish";

    /// <summary>The image in [0, 1], as it comes and as it is encoded.</summary>
    private const string Image = "Backward: RequireUnitRange, Encoding: RequireUnitRange";

    /// <summary>The third step and the fourth. The batch is one: a rollout of DDPO is two batches, and one of Diffusion-DPO four, for two steps each.</summary>
    private static readonly Dictionary<string, string[]> s_expected = new(StringComparer.Ordinal)
    {
        ["RewardGradient"] = [.. Enumerable.Repeat($"GradientStep: FindNotFinite, Decoding: FindNotFinite, Backward: Accumulate, {Update}", 2)],
        ["DDPO"] = [$"{Scored}, {Scored}, {Together}, Backward: Backward, {Update}", $"Backward: Backward, {Update}"],
        ["DiffusionDpo"] = [$"{Scored}, {Scored}, {Scored}, {Scored}, {Together}, Backward: Backward, {Update}", $"Backward: Backward, {Update}"],
    };

    private static IEnumerable<TestCaseData> Runs() =>
        from family in ModelPartsAccess.Families
        from algorithm in (string[])["RewardGradient", "DDPO", "DiffusionDpo"]
        where algorithm == "RewardGradient" || family is VideoModelFamily.ModelScope or VideoModelFamily.VideoCrafter
        select new TestCaseData(family, algorithm);

    [TestCaseSource(nameof(Runs))]
    public void AStepReadsAHandful(string family, string algorithm)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(family);
        using VideoReward reward = SmallRewards.Make("custom");
        using var generator = new Generator(1);
        using LoraAdapters adapters = LoraAdapters.Attach(model.Denoiser, model.LoraVocabulary.AttentionQkvOut, 2, 2, generator);
        var settings = new TrainerSettings
        {
            Sampling = new SamplingSettings
            {
                Size = new VideoSize(model.Family == VideoModelFamily.OpenSora ? 17 : 2, 16, 16),
                Steps = 2,
                GuidanceScale = 2,
                FramesPerSecond = 7,
                MotionBucketId = 127,
            },
            Steps = Steps,
            BatchSize = 1,
        };
        using AlignmentTrainer trainer = algorithm switch
        {
            "DDPO" => settings.DdpoTrainer(model, reward, adapters),
            "DiffusionDpo" => settings.DiffusionDpoTrainer(model, reward, adapters),
            _ => settings.Trainer(model, reward, adapters),
        };
        VideoPrompt row = new("a red circle", model.Images == ImageUse.Required ? () => full([3, 16, 16], 0.4) : null);
        var reads = new Listener();
        using IDisposable context = RunContext.Begin(DeviceType.CPU);
        using IDisposable? observation = RunContext.Observe(reads);
        trainer.Train([row, new("a blue square", row.Image)], _ => reads.EndStep());

        // By the last steps every factor has had gradient, and the check of its flow has ended.
        // Where the window lies before the last steps, those are sampled without gradient.
        string[] steps = [.. reads.Steps.Skip(Steps - 2)];
        string Expected(string step) =>
            model.Images == ImageUse.Required ? $"{Image}, {step.Replace("GradientStep:", "Sampling:", StringComparison.Ordinal)}" : step;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(steps, Is.EqualTo(s_expected[algorithm].Select(Expected)));
            Assert.That(reads.BetweenOperations, Is.Empty, "an operation of the same denoising run, or of the same decoding, after a read");
            Assert.That(reads.Steps.Take(Steps - 2).Select(step => step.Split(", ").Length), Is.All.LessThanOrEqualTo(20));
        }
    }

    /// <summary>Notes reads, and those after which the stage goes on.</summary>
    private sealed class Listener : IRunObserver
    {
        private readonly List<string> _step = [];
        private RunStage? _stage;
        private string? _read;

        bool IRunObserver.ObservesOps => true;

        public List<string> Steps { get; } = [];

        public List<string> BetweenOperations { get; } = [];

        public void EndStep()
        {
            Steps.Add(string.Join(", ", _step));
            _step.Clear();
        }

        public void Enter(RunStage stage) => (_stage, _read) = (stage, _read is not null && IsDenoising(stage) && IsDenoising(_stage) ? _read : null);

        public void OpDone(in OpRecord op)
        {
            if (_read is not null)
            {
                BetweenOperations.Add(_read);
            }

            _read = null;
        }

        public void HostReads(string reader)
        {
            _step.Add($"{_stage}: {reader}");
            _read = IsDenoising(_stage) || _stage == RunStage.Decoding ? _step[^1] : null;
        }

        private static bool IsDenoising(RunStage? stage) => stage is RunStage.Sampling or RunStage.GradientStep;
    }
}
