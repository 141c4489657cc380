using System.Runtime.CompilerServices;
using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using ProveGradients;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Loss and LoRA gradient in half precision against those in float32, of the same weights and draws: every family, every reward and every algorithm in both
/// types. A half number has 8 (bfloat16) or 11 bits, and errors of many roundings mostly cancel in a sum.
/// </summary>
[NonParallelizable]
public class HalfPrecisionTests
{
    private static readonly AlignmentAlgorithm[] s_algorithms =
    [
        AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.LastSteps(2) }),
        AlignmentAlgorithm.Ddpo(new() { PerPromptAdvantages = false }),
        AlignmentAlgorithm.DiffusionDpo(new() { Beta = 50 }), // tiny latents average few roundings
    ];

    private readonly Dictionary<string, VideoDiffusionModel> _models = [];
    private readonly Dictionary<string, (double Loss, Tensor Gradient)> _exact = [];
    private readonly ProofRewards _rewards = new();

    public static IEnumerable<TestCaseData> Cases()
    {
        foreach (ComputePrecision precision in new[] { ComputePrecision.BFloat16, ComputePrecision.Float16 })
        {
            foreach (string family in ModelPartsAccess.Families)
            {
                yield return Case(family, "custom", 0, precision);
            }

            foreach (string reward in ProofRewards.Names.Skip(1))
            {
                yield return Case(VideoModelFamily.ModelScope, reward, 0, precision);
            }

            foreach (string family in new[] { VideoModelFamily.ModelScope, VideoModelFamily.VideoCrafter })
            {
                yield return Case(family, "custom", 1, precision);
                yield return Case(family, "custom", 2, precision);
            }
        }

        static TestCaseData Case(string family, string reward, int algorithm, ComputePrecision precision) =>
            new TestCaseData(family, reward, algorithm, precision)
                .SetArgDisplayNames(family, reward, new[] { "VADER", "DDPO", "Diffusion-DPO" }[algorithm], precision.ToString());
    }

    [OneTimeTearDown]
    public void Free()
    {
        foreach ((_, Tensor gradient) in _exact.Values)
        {
            gradient.Dispose();
        }

        foreach (VideoDiffusionModel model in _models.Values)
        {
            model.Dispose();
        }

        _rewards.Dispose();
    }

    [TestCaseSource(nameof(Cases))]
    public void TheGradientIsThatOfFloat32(string family, string reward, int algorithm, ComputePrecision precision)
    {
        using DisposeScope scope = NewDisposeScope();
        string key = $"{family} {reward} {algorithm}";
        if (!_exact.TryGetValue(key, out (double Loss, Tensor Gradient) exact))
        {
            (double value, Tensor slope) = Measure(family, reward, algorithm, ComputePrecision.Float32);
            _exact[key] = exact = (value, slope.DetachFromDisposeScope());
        }

        (double loss, Tensor gradient) = Measure(family, reward, algorithm, precision);
        double cosine = (gradient * exact.Gradient).sum().ToDouble() / (gradient.norm().ToDouble() * exact.Gradient.norm().ToDouble());
        double ratio = gradient.norm().ToDouble() / exact.Gradient.norm().ToDouble();
        TestContext.Out.WriteLine($"loss {loss:g6} of {exact.Loss:g6}, cosine {cosine:f5}, norm {ratio:f4}");
        Assert.That(gradient.equal(exact.Gradient).all().ToBoolean(), Is.False, "nothing was computed in half precision");
        (double OfLoss, double OfNorm, double OfCosine) bounds = (reward, algorithm, precision) switch
        {

            // A logarithm of a small probability is as wrong as the logits are. Where the CPU itself multiplies bfloat16, loss and norm are 0.23 and 5.3 % off,
            // elsewhere 0.04 and 0.4 %: what is rounded when is the processor's.
            ("action", _, ComputePrecision.BFloat16) => (0.4, 0.1, 0.99),
            ("action", _, _) => (0.2, 0.05, 0.99),
            ("normalized", _, _) => (0.02, double.PositiveInfinity, 0.99), // 1 / the deviation of two scores that are nearly the same
            (_, 1, ComputePrecision.BFloat16) => (0.05, 0.15, 0.99), // advantages are differences of such scores, divided by their deviation
            (_, 2, ComputePrecision.BFloat16) => (0.1, 0.1, 0.99), // the difference of two errors, times beta
            ("compression", _, ComputePrecision.BFloat16) => (0.02, 0.15, 0.95), // its head is rectified: a rounding turns units on and off
            _ => (0.02, 0.05, 0.99),
        };
        Assert.That(cosine, Is.GreaterThanOrEqualTo(bounds.OfCosine));
        Assert.That(ratio, Is.EqualTo(1).Within(bounds.OfNorm));
        Assert.That(loss, Is.EqualTo(exact.Loss).Within(bounds.OfLoss * Math.Max(1, Math.Abs(exact.Loss))));
    }

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "Accumulate")]
    private static extern StepOutcome Accumulate(AlignmentTrainer trainer, TrainingRandom draws);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "GetLossDivisor")]
    private static extern double GetLossDivisor(AlignmentTrainer trainer, int parts);

    private (double Loss, Tensor Gradient) Measure(string family, string reward, int algorithm, ComputePrecision precision)
    {
        VideoDiffusionModel model = Model(family);
        VideoAlignmentOptions options = new VideoAlignmentOptions
        {
            Sampling = algorithm == 0
                ? new() { Frames = FramesFor(family, reward), Height = 8, Width = 16, Steps = 4, GuidanceScale = 2 }

                // What is learned from is sampled in half precision too, and all that it averages over is these latents.
                : new() { Frames = 4, Height = 16, Width = 16, Steps = 4, GuidanceScale = 1 },
            Lora = new() { Rank = 2 },
            Algorithm = s_algorithms[algorithm],
            Optimizer = new() { BatchSize = algorithm == 0 && reward != "normalized" ? 1 : 2, AccumulationSteps = StepsFor(reward) },
            Reward = new() { Frames = RewardFrames.All },
            Memory = new() { Precision = precision },
        }.WithImageColumn(model);
        TrainingRun run = TrainingRunFactory.Create(model, _rewards[reward], options, seed: 1, []);
        using IDisposable context = RunContext.Begin(DeviceType.CPU, run.Precision);
        using IDisposable memory = options.Memory.BeginScope();
        using LoraAdapters adapters = Adapters(model);
        using AlignmentTrainer trainer = options.Algorithm.Definition.ResolveFor(model).CreateTrainer(run, adapters);
        Dictionary<string, Tensor> before = adapters.NamedFactors.ToDictionary(pair => pair.Name, pair => pair.Factor.detach().clone());

        // In float16 the first steps may be skipped, until the scale of the loss fits: the same step again.
        for (int step = 1; ; step++)
        {
            _rewards[reward].BeginTraining();
            using var draws = new TrainingRandom([.. new GradientCheckOptions().Prompts.Select(prompt => Prompt(prompt, model))], seed: 3);
            StepOutcome outcome = Accumulate(trainer, draws);
            double scale = GetLossDivisor(trainer, parts: 1);
            Tensor gradient = cat([.. adapters.Parameters.Select(factor => (factor.grad ?? zeros_like(factor)).detach().flatten())]) * scale;
            if (!trainer.Update(step, outcome.Reward, outcome.Loss).Skipped)
            {
                RequireMoved(adapters, before);
                return (outcome.Loss, gradient);
            }
        }
    }

    // Factors are float32, and an update moves each of them.
    private static void RequireMoved(LoraAdapters adapters, Dictionary<string, Tensor> before)
    {
        foreach ((string name, var factor) in adapters.NamedFactors.Where(pair => !adapters.InertFactors.Contains(pair.Name)))
        {
            Assert.That(factor.dtype, Is.EqualTo(ScalarType.Float32), name);
            Assert.That((factor - before[name]).abs().max().ToDouble(), Is.GreaterThan(0), $"{name} has not moved");
        }
    }

    // A rounding moves some number over a kink, of the rectified head above all: more videos, of which that is a smaller part.
    private static int StepsFor(string reward) => reward switch
    {
        "compression" => 4,
        "consistency" => 2,
        _ => 1,
    };

    private static int FramesFor(string family, string reward) => family == VideoModelFamily.OpenSora ? 17 : ProofRewards.NeedsVideo(reward) ? 8 : 2;

    private static VideoPrompt Prompt(string text, VideoDiffusionModel model) => model.Images != ImageUse.Required ? text
        : new VideoPrompt(text, () => rand([3, 8, 16], generator: new Generator(7)));

    private static LoraAdapters Adapters(VideoDiffusionModel model)
    {
        using var generator = new Generator(11);
        LoraAdapters adapters = LoraAdapters.Attach(model.Denoiser, model.LoraVocabulary.AttentionQkvOut, rank: 2, alpha: 2, generator);
        using IDisposable guard = no_grad();
        foreach (TorchSharp.Modules.Parameter factor in adapters.Parameters)
        {
            factor.copy_(randn(factor.shape, generator: generator) * 0.1);
        }

        return adapters;
    }

    private VideoDiffusionModel Model(string family) =>
        _models.TryGetValue(family, out VideoDiffusionModel? model) ? model : _models[family] = VideoDiffusionModel.Untrained(family);
}
