using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>An algorithm that nothing in the library knows trains, is estimated, refused, logged, saved and resumed as the library's own are.</summary>
public class OwnAlgorithmTests
{
    private static VideoAlignmentOptions Options(double pull = 1, bool wasted = false) => DoorRig.ThreeSteps with
    {
        Algorithm = new AlignmentAlgorithm(new ToyAlgorithm(new ToyOptions { Pull = pull, Wasted = wasted })),
        Reward = new() { Frames = RewardFrames.All },
        Optimizer = new() { Steps = 4, LearningRate = 0.05 },
        Seed = 3,
    };

    [Test]
    public void ItTrainsAndIsNamedWhereItIsTold()
    {
        var rig = new DoorRig { Reward = new FakeReward(new RewardContract { IsDifferentiable = false }) };
        var log = rig.Listen();
        VideoAlignmentTransformer aligned = rig.Estimator(Options(wasted: true)).Fit(rig.Prompts);
        Assert.That(EstimatorContract.Values(aligned.Transform(rig.Prompts)),
            Is.Not.EqualTo(EstimatorContract.Values(aligned.WithoutAlignment("Base").Transform(rig.Prompts))));
        string[] lines = [.. log.Select(message => message.Text)];
        Assert.That(lines, Has.Some.StartsWith("Aligning ").With.Some.Contains("a toy that pulls by 1"));
        Assert.That(lines, Has.One.Contains("ToyOptions.Wasted True has no effect: nothing reads it."));
        Assert.That(lines, Has.One.Contains("The toy pulled 4 times."));
    }

    [Test]
    public void ItsFaultsAreListedWithTheOthers()
    {
        VideoAlignmentOptions wrong = Options(pull: -1) with { Lora = new() { Rank = 0 }, Memory = new() { FramesPerDecode = 1 } };
        Assert.That(wrong.Validate, Throws.ArgumentException.With.Message.Contains("ToyOptions.Pull must be above 0, got -1.")
            .And.Message.Contains("Lora.Rank must be at least 1, got 0.").And.Message.Contains("Memory.FramesPerDecode must be left alone"));
        Assert.That(() => Options(pull: 1000).ValidateFor(new TinyVideoModel()), Throws.ArgumentException.With.Message.Contains("too strong for Tiny"));
    }

    [Test]
    public void ItsMemoryIsThatOfItsOwnStep()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        using VideoReward reward = TinyModel.Redness();
        long Peak(double pull) => model.EstimateMemory(Options(pull) with { Sampling = new() { Steps = 3 } }, reward).GradientSteps;
        Assert.That(Peak(2), Is.EqualTo(2 * Peak(1)).And.GreaterThan(0), "what the toy's dry run makes");
        Assert.That(MemoryPlan.Create(model, Options() with { Sampling = new() { Steps = 3 } }, long.MaxValue, reward).Steps, Has.Count.EqualTo(1));
    }

    [Test]
    public void ItIsSavedAndDescribed()
    {
        var rig = new DoorRig();
        VideoAlignmentTransformer aligned = rig.Estimator(Options()).Fit(rig.Prompts);
        using var zip = new MemoryStream();
        rig.Context.Model.Save(aligned, rig.Prompts.Schema, zip);
        ITransformer loaded = rig.Loading(_ => rig.Model).Model.Load(new MemoryStream(zip.ToArray()), out _);
        Assert.That(EstimatorContract.Values(loaded.Transform(rig.Prompts)), Is.EqualTo(EstimatorContract.Values(aligned.Transform(rig.Prompts))));
        using var archive = new ZipArchive(zip);
        using var settings = new StreamReader(archive.Entries.Single(entry => entry.Name == "settings.json").Open(), Encoding.UTF8);
        Assert.That(settings.ReadToEnd(), Does.Contain("\"name\": \"Toy\"").And.Contain("\"pull\": 1"));
    }

    [Test]
    public void AnInterruptedRunGivesTheSameWeights()
    {
        using var folder = new TemporaryFolder();
        var whole = new RunCase("toy", Options());
        byte[] expected = whole.Fit(folder: null);
        using var stop = new CancellationTokenSource();
        RunControl control = RunCase.EachStep with { CancellationToken = stop.Token, Progress = new Stopping(2, stop) };
        Assert.That(whole.Fit(folder.ToString(), control: control), Is.Not.EqualTo(expected));
        Assert.That(whole.Fit(folder.ToString()), Is.EqualTo(expected));
        Assert.That(
            () => new RunCase("other", Options() with { Algorithm = AlignmentAlgorithm.Ddpo() }).Fit(folder.ToString()),
            Throws.TypeOf<RunFolderException>().With.Message.Contains("Algorithm was Toy and is Ddpo").Or.Message.Contains("'Toy'"));
    }

    private sealed class Stopping(int step, CancellationTokenSource source) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value)
        {
            if (value.Step == step)
            {
                source.Cancel();
            }
        }
    }

    private sealed record ToyOptions
    {
        public double Pull { get; init; }

        public bool Wasted { get; init; }
    }

    private sealed record ToyAlgorithm(ToyOptions Options) : IAlgorithm
    {
        public string Name => "Toy";

        object IAlgorithm.Options => Options;

        public bool NeedsRewardGradient => false;

        public bool DenoisesWithGradient => false;

        public IEnumerable<string> Faults(OptimizerOptions optimizer) =>
            Options.Pull > 0 ? [] : [FormattableString.Invariant($"{nameof(ToyOptions)}.{nameof(Options.Pull)} must be above 0, got {Options.Pull}.")];

        public IEnumerable<string> Faults(VideoDiffusionModel model, SamplingSettings sampling) =>
            Options.Pull < 1000 ? [] : [$"A pull of 1000 is too strong for {model.Family}."];

        public IEnumerable<(string Option, string Why)> FindIneffective(SamplingSettings sampling) =>
            Options.Wasted ? [($"{nameof(ToyOptions)}.{nameof(Options.Wasted)} {true}", "nothing reads it")] : [];

        public AlignmentTrainer CreateTrainer(TrainingRun run, LoraAdapters adapters) => new ToyTrainer(run, adapters, Options.Pull);

        public void DryRun(TrainingRun run, LoraAdapters adapters)
        {
            RunContext.Enter(RunStage.GradientStep);
            using Tensor made = MetaSegment.EmptyTensor((long)Options.Pull * 1000);
            using Tensor seen = Ops.Done(made.alias(), []);
        }

        public JsonNode? Describe() => new JsonObject { ["pull"] = Options.Pull };

        public override string ToString() => FormattableString.Invariant($"a toy that pulls by {Options.Pull}");
    }

    /// <summary>Pulls every factor towards a number, whatever the score of the video that it makes.</summary>
    private sealed class ToyTrainer : AlignmentTrainer
    {
        private readonly RolloutCollector _collector;
        private readonly double _pull;
        private int _pulls;

        public ToyTrainer(TrainingRun run, LoraAdapters adapters, double pull)
            : base(run, adapters) => (_collector, _pull) = (new RolloutCollector(run, SegmentBuilder, Work), pull);

        public override IEnumerable<string> ClosingNotes => [$"The toy pulled {_pulls} times."];

        protected override StepOutcome Accumulate(TrainingRandom draws)
        {
            _pulls++;
            ScoredRollout<Tensor> rollout;
            using (no_grad())
            {
                rollout = _collector.Collect(draws, prompts: 1, videosPerPrompt: 1, Sample, static latents => latents);
            }

            Tensor loss = stack([.. Adapters.Parameters.Select(factor => (factor - _pull).pow(2).mean())]).mean();
            Recompute.Backward(loss / GetLossDivisor(1));
            return new StepOutcome(rollout.Scores[0], loss.ToDouble());
        }

        private Tensor Sample(SegmentInputs segment)
        {
            using var guidance = new Guidance(Model, segment.Condition, segment.Unconditional, Training.Sampling);
            return Denoising.Run(Sampler, segment.Start, guidance.Predict, segment.Plan, segment.Noise, Adapters, prompts: segment.Prompts);
        }
    }
}
