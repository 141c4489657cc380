using System.Text.Json;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Training;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S15, ModelScope part: the real trainer on given draws.</summary>
internal sealed class TrainStepRunner : IConformanceRunner
{
    public string Suite => "S15-vader-step";

    public IReadOnlyCollection<string> Kinds => ["modelscope-train-step"];

    public void Run(ConformanceCase testCase)
    {
        Run(testCase, recompute: false);
        if (testCase.Find("out.rank-grad-norm") is not null)
        {
            CheckRanks(testCase);
        }
    }

    internal static void Run(ConformanceCase testCase, bool recompute)
    {
        using ModelScopePipeline model = LoadModel(testCase, recompute);
        using LoraAdapters adapters = LoadAdapters(testCase, model);
        JsonElement optimiser = testCase.Arguments.GetProperty("optimiser");
        int accumulate = optimiser.GetProperty("accumulate").GetInt32();
        using var reward = new TinyReward(testCase);
        using var trainer = new RewardGradientTrainer(model, reward, adapters, Settings(testCase, accumulate));
        var norms = new List<Tensor>();
        var results = new List<RolloutResult>();
        for (int micro = 0; micro < testCase["in.latents"].shape[0]; micro++)
        {
            results.Add(trainer.Backward(RolloutOf(testCase, model, micro)));
            if (micro == 0)
            {
                foreach ((string key, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
                {
                    testCase.CheckGradient($"grad.param.{key}", factor.grad! * accumulate);
                }
            }

            if ((micro + 1) % accumulate == 0)
            {
                int step = (micro + 1) / accumulate;
                norms.Add(tensor(trainer.Update(step, reward: 0, loss: 0)));
            }
        }

        testCase.CheckOutput("latents", stack(results.Select(result => result.Latents)));
        testCase.CheckOutput("frames", stack(results.Select(result => result.Decoded)));
        testCase.CheckOutput("score", stack(results.Select(result => result.Scores)));
        testCase.CheckOutput("loss", stack(results.Select(result => result.Loss)));
        testCase.CheckOutput("grad-norm", stack(norms));
        foreach ((string key, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            testCase.CheckOutput($"param.{key}", factor);
        }
    }

    /// <summary>Each rank's rows alone: their gradients' norms, and their mean is the whole batch's gradient.</summary>
    private static void CheckRanks(ConformanceCase testCase)
    {
        int ranks = testCase.Arguments.GetProperty("ranks").GetInt32();
        using ModelScopePipeline model = LoadModel(testCase, recompute: false);
        using LoraAdapters adapters = LoadAdapters(testCase, model);
        using var reward = new TinyReward(testCase);
        using var trainer = new RewardGradientTrainer(model, reward, adapters, Settings(testCase, accumulate: 1));
        var norms = new List<Tensor>();
        var mean = adapters.NamedFactors.ToDictionary(pair => pair.Name, pair => zeros_like(pair.Factor));
        for (int rank = 0; rank < ranks; rank++)
        {
            long rows = testCase["in.latents"].shape[1] / ranks;
            trainer.Backward(RolloutOf(testCase, model, micro: 0, (rank * rows, rows)));
            norms.Add(stack(adapters.NamedFactors.Select(pair => pair.Factor.grad!.norm())).norm());
            foreach ((string key, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
            {
                mean[key] += factor.grad! / ranks;
                factor.grad = null;
            }
        }

        testCase.CheckOutput("rank-grad-norm", stack(norms));
        foreach ((string key, Tensor gradient) in mean)
        {
            testCase.CheckGradient($"grad.param.{key}", gradient);
        }
    }

    private static ModelScopePipeline LoadModel(ConformanceCase testCase, bool recompute)
    {
        var model = ModelScopePipeline.FromParts(
            new NoPrompts(), testCase.PathOf("unet"), testCase.PathOf("vae"), testCase.Config.GetProperty("scheduler"), Placement.Cpu);
        model.RecomputeBlocks = recompute;
        return model;
    }

    private static LoraAdapters LoadAdapters(ConformanceCase testCase, ModelScopePipeline model)
    {
        JsonElement weights = testCase.Json.GetProperty("weights").EnumerateArray().Single(file => file.GetProperty("format").GetString() == "safetensors");
        string prefix = weights.GetProperty("prefix").GetString()!;
        double scale = testCase.Config.GetProperty("lora").GetProperty("scaling").GetDouble();
        using IWeightSource file = new SafetensorsFile(testCase.PathOf(weights.GetProperty("file").GetString()!));
        using var factors = new LoraWeights(
            [
                .. file.Entries.Keys.Where(name => name.EndsWith(".lora_A.weight", StringComparison.Ordinal)).Select(name => new LoraPair(
                    name[prefix.Length..^".lora_A.weight".Length], file.Read(name), file.Read(name.Replace("lora_A", "lora_B", StringComparison.Ordinal)), scale)),
            ],
            new LoraOrigin());
        return LoraAdapters.Attach(model.Denoiser, factors);
    }

    private static RewardGradientSettings Settings(ConformanceCase testCase, int accumulate)
    {
        JsonElement arguments = testCase.Arguments;
        JsonElement optimiser = arguments.GetProperty("optimiser");
        JsonElement betas = optimiser.GetProperty("betas");
        long[] latents = testCase["in.latents"].shape;
        return new RewardGradientSettings
        {
            Sampling = new SamplingSettings
            {
                // Sizes in pixels are not read when the start is given.
                Size = new VideoSize((int)latents[3], (int)latents[4], (int)latents[5]),
                Steps = arguments.GetProperty("num_inference_steps").GetInt32(),
                GuidanceScale = arguments.GetProperty("guidance_scale").GetDouble(),
                Eta = arguments.GetProperty("eta").GetDouble(),
            },
            Window = WindowOf(arguments.GetProperty("window")),
            Frames = RewardFrames.All,
            Loss = LossOf(arguments.GetProperty("loss").GetString()!),
            Steps = optimiser.GetProperty("steps").GetInt32(),
            BatchSize = (int)latents[1],
            Accumulation = accumulate,
            LearningRate = optimiser.GetProperty("lr").GetDouble(),
            Beta1 = betas[0].GetDouble(),
            Beta2 = betas[1].GetDouble(),
            Epsilon = optimiser.GetProperty("eps").GetDouble(),
            WeightDecay = optimiser.GetProperty("weight_decay").GetDouble(),
            MaxGradientNorm = optimiser.GetProperty("max_grad_norm").GetDouble(),
            Seed = 0,
        };
    }

    private static Rollout RolloutOf(ConformanceCase testCase, ModelScopePipeline model, int micro, (long Start, long Count)? rows = null)
    {
        Tensor Rows(Tensor batch) => rows is { } part ? batch.narrow(0, part.Start, part.Count) : batch;
        int steps = testCase.Arguments.GetProperty("num_inference_steps").GetInt32();
        Tensor start = Rows(testCase["in.latents"][micro]);
        return new Rollout
        {
            Prompts = [.. Enumerable.Repeat("", (int)start.shape[0])],
            Condition = Rows(testCase["in.prompt_embeds"][micro]),
            Unconditional = testCase.Find("in.negative_prompt_embeds") is { } unconditional ? Rows(unconditional) : null,
            Start = start,
            Noise = step => Rows(testCase["in.noise"][micro, step]),
            Plan = WindowOf(testCase.Arguments.GetProperty("window")).Resolve(steps, _ => throw new InvalidOperationException("nothing is drawn here")),
            Frames = [.. testCase.Arguments.GetProperty("frames").EnumerateArray().Select(frame => frame.GetInt32())],
        };
    }

    private static GradientWindow WindowOf(JsonElement window) => window.GetProperty("variant").GetString() switch
    {
        "last-k" => GradientWindow.LastSteps(window.GetProperty("k").GetInt32()),
        "from-index" => GradientWindow.FromStep(window.GetProperty("start").GetInt32()),
        "refl" => GradientWindow.SingleStep(window.GetProperty("step").GetInt32()),
        "drtune" => GradientWindow.DrTune(
            [.. window.GetProperty("steps").EnumerateArray().Select(step => step.GetInt32())], window.GetProperty("stop").GetInt32()),
        var other => throw new NotSupportedException($"window variant {other}"),
    };

    private static RewardLoss LossOf(string name) => name switch
    {
        "aesthetic" => RewardLoss.Target(10, 0.1),
        "negative-mean" => RewardLoss.Maximise(),
        "hps" => RewardLoss.Shortfall(1, 1),
        var other => throw new NotSupportedException($"loss {other}"),
    };

    private sealed class NoPrompts : IPromptEncoder
    {
        public nn.Module Network { get; } = nn.Identity();

        public Tensor Tokens(IReadOnlyList<string> prompts) => throw new InvalidOperationException("embeddings are given");

        public Tensor Encode(IReadOnlyList<string> prompts) => throw new InvalidOperationException("embeddings are given");

        public int CountTruncated(string prompt) => 0;

        public void Dispose() => Network.Dispose();
    }

    /// <summary>score_b = base + mean over frames of v . tanh(W p + c), p the frame flattened as channel, row, column.</summary>
    private sealed class TinyReward(ConformanceCase testCase) : VideoReward
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
}
