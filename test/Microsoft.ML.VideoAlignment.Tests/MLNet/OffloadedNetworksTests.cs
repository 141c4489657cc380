using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards.TextImage;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// A run whose text encoders wait from the first step to the end, as on a GPU. Without one they wait with doubled weights, which is undone to the bit: what
/// trains as it does without has encoded each text before they left, and finds them whole afterwards.
/// </summary>
public class OffloadedNetworksTests
{
    private static readonly string[] s_prompts = ["a red circle", "a blue square", "a red circle", ""];

    private static readonly Dictionary<string, AlignmentAlgorithm> s_algorithms = new()
    {
        ["reward gradient"] = AlignmentAlgorithm.RewardGradient(),
        ["ddpo"] = AlignmentAlgorithm.Ddpo(new DdpoOptions { SamplesPerRollout = 4 }),
        ["dpo"] = AlignmentAlgorithm.DiffusionDpo(new DiffusionDpoOptions { PairsPerRollout = 2 }),
    };

    private static IEnumerable<string> Algorithms => s_algorithms.Keys;

    private VideoDiffusionModel _model = null!;
    private List<string> _moves = null!;
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void Load() => (_model, _moves, _folder) = (TinyModel.Load(), [], new TemporaryFolder());

    [TearDown]
    public void Free()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    /// <summary>Prompts that come twice or are empty, and one that only validation has.</summary>
    [TestCaseSource(nameof(Algorithms))]
    public void EveryAlgorithmTrainsTheSame(string algorithm)
    {
        VideoAlignmentOptions options = Options() with { Algorithm = s_algorithms[algorithm] };
        using VideoReward plain = Preference(), offloaded = Preference();
        byte[] expected = Train(options, plain, move: null);
        var waiting = new List<bool>();
        byte[] trained = Train(options, offloaded, Double, _ => waiting.Add(Prompts(offloaded).IsEncoderOffloaded));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trained, Is.EqualTo(expected));
            Assert.That(_moves, Is.EqualTo(new[] { "text_encoder waits", "text_encoder works" }));
            Assert.That(waiting, Has.Count.EqualTo(2).And.All.True, "the reward's text tower, too");
            Assert.That(Prompts(offloaded).Encoded, Is.EqualTo(4), "once each: three of training, one of validation");
            Assert.That(Prompts(offloaded).IsEncoderOffloaded, Is.False);
        }
    }

    [Test]
    public void ARunThatIsResumedGivesTheSameBytes()
    {
        using VideoReward plain = Preference(), offloaded = Preference();
        VideoAlignmentOptions four = Options() with { Optimizer = Options().Optimizer with { Steps = 4 } };
        byte[] expected = Train(four, plain, move: null);
        Train(Options(), offloaded, Double, folder: _folder.ToString());
        Assert.That(Train(four, offloaded, Double, folder: _folder.ToString()), Is.EqualTo(expected));
        Assert.That(_moves, Has.Count.EqualTo(4), "of each part");
    }

    [Test]
    public void ModelAndRewardTakeNewPromptsAfterwards()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = Preference();
        (float[] video, float[] score) = New();
        float[] weights = Weights();
        Train(Options(), reward, Double);
        Assert.That(New(), Is.EqualTo((video, score)));
        Assert.That(Weights(), Is.EqualTo(weights));

        (float[] Video, float[] Score) New()
        {
            using var aligned = new AlignedModel(_model, ownsModel: false, adapters: null, Options().ResolveSampling(_model), seed: 1);
            float[] values = aligned.Generate("a green star moving up", seed: 2);
            Tensor frames = tensor(values, [1, 3, 3, 16, 16]);
            return (values, reward.Score(frames, ["a green star moving up"]).data<float>().ToArray());
        }
    }

    /// <summary>Without a method of its own a reward's text tower stays; nothing is asked of it.</summary>
    [Test]
    public void ARewardThatPreparesNothingTrainsTheSame()
    {
        byte[] expected = Train(Options(), TinyModel.Redness(), move: null);
        Assert.That(Train(Options(), TinyModel.Redness() * 1f, Double), Is.EqualTo(expected));
    }

    /// <summary>A class of the caller's prepares before anything is scored, beside another that does so, and ends when the run has.</summary>
    [Test]
    public void ARewardOfTheCallersIsAskedOnce()
    {
        var told = new List<string>();
        using VideoReward sum = new Announced("first", told) + Preference() + new Announced("second", told);
        Train(Options(), sum, Double, step => told.Add($"step {step.Step}"));
        const string Prompts = "a red circle|a blue square||a house";
        Assert.That(told, Is.EqualTo(new[]
        {
            $"first prepares {Prompts}", $"second prepares {Prompts}", "step 1", "step 2", "second ends", "first ends",
        }));
    }

    [Test]
    public void WherePromptsCannotBePreparedNothingStaysAway()
    {
        var told = new List<string>();
        using VideoReward sum = new Announced("first", told) + new Announced("second", told) { Fault = new RewardContractException("not these") };
        float[] weights = Weights();
        Assert.That(() => Train(Options(), sum, Double), Throws.TypeOf<RewardContractException>());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(told, Does.Contain("first ends"));
            Assert.That(Weights(), Is.EqualTo(weights));
        }
    }

    /// <summary>A failure or a cancellation in the middle of a step leaves model and reward whole.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void WhatEndsARunEarlyBringsEverythingBack(bool cancels)
    {
        using var source = new CancellationTokenSource();
        int calls = 0;
        using VideoReward preference = Preference(), sum = preference + VideoRewards.Custom("ends", (frames, _) =>
        {
            if (++calls == 2 && cancels)
            {
                source.Cancel();
                source.Token.ThrowIfCancellationRequested();
            }

            return calls == 2 ? throw new TimeoutException() : frames.mean([1, 2, 3, 4]);
        });
        float[] weights = Weights();
        void Fit() => Train(Options(), sum, Double, cancellation: source.Token);
        if (cancels)
        {
            Fit();
        }
        else
        {
            Assert.That(Fit, Throws.TypeOf<TrainingStepException>().With.InnerException.TypeOf<TimeoutException>());
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(calls, Is.EqualTo(2), "in the second step");
            Assert.That(Weights(), Is.EqualTo(weights));
            Assert.That(Prompts(preference).IsEncoderOffloaded, Is.False);
        }
    }

    /// <summary>Where a network cannot return after a failure, the failure is what is reported, and a warning says what to do.</summary>
    [Test]
    public void WhatCannotBeBroughtBackIsToldBesideTheFailure()
    {
        var warnings = new List<string>();
        using VideoReward reward = new ScriptedReward { Throw = _ => new TimeoutException() };
        void Stuck(string name, bool works)
        {
            if (works)
            {
                throw new InvalidOperationException("no room");
            }
        }

        Assert.That(
            () => Train(Options(), reward, Stuck, warn: warnings.Add), Throws.TypeOf<TrainingStepException>().With.InnerException.TypeOf<TimeoutException>());
        Assert.That(warnings, Has.One.Contains("could not be restored").And.One.Contains("no room"));
    }

    /// <summary>A model that is given images has no text encoder, and its image encoder stays.</summary>
    [Test]
    public void AModelOfImagesKeepsItsEncoder()
    {
        using VideoDiffusionModel model = TinyImageModel.Load();
        Assert.That(model.TextEncoders, Is.Empty);
        using VideoReward plain = Preference(), offloaded = Preference();
        byte[] expected = Train(null);
        Assert.That(Train(Double), Is.EqualTo(expected));
        Assert.That(_moves, Is.Empty);

        byte[] Train(Action<string, bool>? move)
        {
            VideoAlignmentOptions options = Options() with { Validation = new() };
            options = options with { Sampling = options.Sampling with { Frames = 2, Height = 8, Width = 8 } };
            var run = new AlignmentRun(
                model, move is null ? plain : offloaded, options.WithImageColumn(model), Seed: 1, [new("a ship", () => TinyImageModel.Image())], [],
                _folder.ToString())
            { MoveNetwork = move };
            return run.Train(static _ => { }, static _ => { }).Adapters;
        }
    }

    private static VideoAlignmentOptions Options() => new()
    {
        Sampling = new() { Frames = 3, Height = 16, Width = 16, Steps = 3, GuidanceScale = 2 },
        Lora = new() { Rank = 2 },
        Optimizer = new() { Steps = 2, LearningRate = 0.01, BatchSize = 2 },
        Validation = new() { Prompts = ["a house"], Every = 1 },
        Reward = new() { Frames = RewardFrames.All },
    };

    private static VideoReward Preference() => VideoRewards.HumanPreferenceV2(SmallPreference.File, SmallRewards.ClipFolder);

    private static PromptEmbeddings Prompts(VideoReward reward) => ((TextImageReward)reward).Towers.Prompts;

    private byte[] Train(
        VideoAlignmentOptions options, VideoReward reward, Action<string, bool>? move, Action<VideoAlignmentProgress>? onStep = null, string? folder = null,
        Action<string>? warn = null, CancellationToken cancellation = default)
    {
        warn ??= static _ => { };
        using RunFolder? states = folder is null ? null : RunFolder.Open(folder, warn);
        var run = new AlignmentRun(
            _model, reward, options, Seed: 3, [.. s_prompts.Select(static prompt => new VideoPrompt(prompt))],
            [.. options.Validation.Prompts], _folder.ToString())
        {
            Folder = states,
            Control = new RunControl { CancellationToken = cancellation },
            MoveNetwork = move,
        };
        states?.Compare(AlignmentFingerprint.From(run), warn);
        return run.Train(onStep ?? (static _ => { }), warn).Adapters;
    }

    private void Double(string name, bool works)
    {
        _moves.Add($"{name} {(works ? "works" : "waits")}");
        using IDisposable guard = no_grad();
        foreach (TorchSharp.Modules.Parameter parameter in _model.Networks[name].parameters())
        {
            parameter.mul_(works ? 0.5 : 2);
        }
    }

    private float[] Weights() =>
        [.. _model.TextEncoders.SelectMany(name => _model.Networks[name].parameters()).SelectMany(static parameter => parameter.data<float>().ToArray())];

    private sealed class Announced(string name, List<string> told) : VideoReward
    {
        public Exception? Fault { get; init; }

        public override string Name => name;

        public override RewardContract Contract { get; } = new() { ReadsPrompt = true };

        protected internal override IDisposable? PreparePrompts(IReadOnlyList<string> prompts, CancellationToken cancellation)
        {
            told.Add($"{name} prepares {string.Join('|', prompts)}");
            return Fault is null ? new End(() => told.Add($"{name} ends")) : throw Fault;
        }

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => frames.mean([1, 2, 3, 4]);

        private sealed class End(Action act) : IDisposable
        {
            public void Dispose() => act();
        }
    }
}
