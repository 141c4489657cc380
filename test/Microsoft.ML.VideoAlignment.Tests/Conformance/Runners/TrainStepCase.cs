using System.Text.Json;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the S15 cases of all families share: the real trainer run over a case's micro-steps, its settings, and the tiny reward.</summary>
internal static class TrainStepCase
{
    /// <summary>N optimizer steps on given draws; checks gradients of the first micro-step, outputs, norms and the adapters after.</summary>
    /// <param name="testCase">The case.</param>
    /// <param name="model">Its model.</param>
    /// <param name="adapters">Its adapters before training.</param>
    /// <param name="sampling">How it samples.</param>
    /// <param name="rollout">The draws of a micro-step.</param>
    /// <param name="prefix">What stands before the adapters' names in the case.</param>
    /// <param name="carryGradientAcrossSegments">Whether the frame that a segment hands on keeps its graph.</param>
    public static void Run(
        ConformanceCase testCase,
        VideoDiffusionModel model,
        LoraAdapters adapters,
        SamplingSettings sampling,
        Func<int, Rollout> rollout,
        string prefix = "",
        bool carryGradientAcrossSegments = false)
    {
        JsonElement optimizer = testCase.Arguments.GetProperty("optimiser");
        int accumulate = optimizer.GetProperty("accumulate").GetInt32();
        using var reward = new TinyReward(testCase);
        TrainerSettings settings = Settings(testCase, sampling, accumulate) with { CarryGradientAcrossSegments = carryGradientAcrossSegments };
        using var trainer = settings.Trainer(model, reward, adapters);
        Dictionary<string, Tensor> before = adapters.NamedFactors.ToDictionary(pair => pair.Name, pair => pair.Factor.detach().clone());
        var norms = new List<Tensor>();
        var results = new List<RolloutResult>();
        for (int micro = 0; micro < testCase["in.latents"].shape[0]; micro++)
        {
            results.Add(trainer.Backward(rollout(micro)));
            if (micro == 0)
            {
                foreach ((string key, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
                {
                    if (testCase.Find($"grad.param.{prefix}{key}") is null && (FirstGradientIsZero(testCase, key) || IsIdle(testCase, key)))
                    {
                        Assert.That(factor.grad is null || factor.grad.count_nonzero().item<long>() == 0, $"{testCase}: {key} has no gradient yet");
                        continue;
                    }

                    testCase.CheckGradient($"grad.param.{prefix}{key}", factor.grad!.Mul(accumulate));
                }
            }

            if ((micro + 1) % accumulate == 0)
            {
                int step = (micro + 1) / accumulate;
                norms.Add(tensor(trainer.Update(step, reward: 0, loss: 0).GradientNorm));
            }
        }

        testCase.CheckOutput("latents", LikeThoseOf(testCase, stack(results.Select(result => result.Latents))));
        testCase.CheckOutput("frames", stack(results.Select(result => result.Decoded)));
        testCase.CheckOutput("score", stack(results.Select(result => result.Scores)));
        testCase.CheckOutput("loss", stack(results.Select(result => result.Loss)));
        testCase.CheckOutput("grad-norm", stack(norms));
        foreach ((string key, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            testCase.CheckOutput($"param.{prefix}{key}", factor);
            if (testCase.Find($"out.moved.{prefix}{key}") is not null)
            {
                testCase.CheckOutput($"moved.{prefix}{key}", factor.detach() - before[key]);
            }
        }
    }

    /// <summary>[M, B, c, S*F, h, w] -> as the case has them: the same, or [M, S, B, F, c, h, w] where it tells segments apart.</summary>
    private static Tensor LikeThoseOf(ConformanceCase testCase, Tensor latents)
    {
        long[] shape = testCase["in.latents"].shape;
        return shape.Length == 6 ? latents : latents.unflatten(3, [shape[1], shape[3]]).permute(0, 3, 1, 4, 2, 5, 6);
    }

    /// <summary>
    /// Whether a factor of a case has no gradient by construction: an embedding of one token is attended to whatever is asked, and of two experts one may have
    /// no step with gradient.
    /// </summary>
    private static bool IsIdle(ConformanceCase testCase, string key) => testCase.Kind switch
    {
        "svd-train-step" => key.Contains(".attn2.to_q.", StringComparison.Ordinal) || key.Contains(".attn2.to_k.", StringComparison.Ordinal),
        "wan-train-step" => !testCase.Names($"grad.param.{key[..(key.IndexOf('.', StringComparison.Ordinal) + 1)]}").Any()
            && testCase.Names("out.param.transformer_2.").Any(),
        _ => false,
    };

    /// <summary>Where every up is zero at the start, no gradient reaches the downs, and the case stores none.</summary>
    private static bool FirstGradientIsZero(ConformanceCase testCase, string key) =>
        testCase.Arguments.TryGetProperty("zero_gradients", out JsonElement zero) && zero.ValueKind == JsonValueKind.String
            && key.EndsWith(".lora_A.weight", StringComparison.Ordinal);

    public static TrainerSettings Settings(ConformanceCase testCase, SamplingSettings sampling, int accumulate)
    {
        JsonElement arguments = testCase.Arguments;
        JsonElement optimizer = arguments.GetProperty("optimiser");
        JsonElement betas = optimizer.GetProperty("betas");
        return new TrainerSettings
        {
            Sampling = sampling,
            Window = WindowOf(arguments.GetProperty("window"), sampling.Steps),
            Frames = RewardFrames.All,
            Loss = LossOf(arguments.GetProperty("loss").GetString()!),
            Optimizer = new OptimizerOptions
            {
                Steps = optimizer.GetProperty("steps").GetInt32(),
                BatchSize = (int)testCase["in.latents"].shape[^5],
                AccumulationSteps = accumulate,
                LearningRate = optimizer.GetProperty("lr").GetDouble(),
                Beta1 = betas[0].GetDouble(),
                Beta2 = betas[1].GetDouble(),
                Epsilon = optimizer.GetProperty("eps").GetDouble(),
                WeightDecay = optimizer.GetProperty("weight_decay").GetDouble(),
                MaxGradientNorm = optimizer.GetProperty("max_grad_norm").GetDouble(),
            },
        };
    }

    /// <summary>steps: Sampler steps asked for, from which VADER's "last" is counted.</summary>
    public static GradientWindow WindowOf(JsonElement window, int steps = 0) => window.GetProperty("variant").GetString() switch
    {
        "last-k" => GradientWindow.LastSteps(window.GetProperty("k").GetInt32()),
        "last" => GradientWindow.FromStep(steps - 1),
        "from-index" => GradientWindow.FromStep(window.GetProperty("start").GetInt32()),
        "steps" => GradientWindow.Steps([.. window.GetProperty("steps").EnumerateArray().Select(step => step.GetInt32())]),
        "most-sensitive" => GradientWindow.MostSensitive(window.GetProperty("count").GetInt32()),
        "refl" => GradientWindow.SingleStep(window.GetProperty("step").GetInt32()),
        "drtune" => GradientWindow.DrTune(
            [.. window.GetProperty("steps").EnumerateArray().Select(step => step.GetInt32())], window.GetProperty("stop").GetInt32()),
        var other => throw new NotSupportedException($"window variant {other}"),
    };

    private static RewardLoss LossOf(string name) => name switch
    {
        "aesthetic" => RewardLoss.Target(10, 0.1),
        "negative-mean" => RewardLoss.Maximize(),
        "hps" => RewardLoss.Hinge(1, 1),
        var other => throw new NotSupportedException($"loss {other}"),
    };
}

/// <summary>score_b = base + mean over frames of v . tanh(W p + c), p the frame flattened as channel, row, column.</summary>
internal sealed class TinyReward(ConformanceCase testCase) : VideoReward
{
    public override string Name => "tiny";

    public override RewardContract Contract { get; } = new();

    public override void MoveTo(Device device)
    {
    }

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts)
    {
        Tensor pixels = frames.permute(0, 2, 1, 3, 4).flatten(2);
        Tensor hidden = (pixels.matmul(testCase["in.reward.W"].t()) + testCase["in.reward.c"]).tanh();
        return hidden.matmul(testCase["in.reward.v"]).mean([1]) + testCase.Arguments.GetProperty("reward").GetProperty("base").GetDouble();
    }
}
