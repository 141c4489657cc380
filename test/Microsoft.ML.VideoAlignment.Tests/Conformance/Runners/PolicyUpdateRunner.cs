using System.Text.Json;
using Microsoft.ML.VideoAlignment.Algorithms.Ddpo;
using Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S16: whole updates of the real trainers on given draws.</summary>
internal sealed class PolicyUpdateRunner : IConformanceRunner
{
    public string Suite => "S16-policy";

    public IReadOnlyCollection<string> Kinds => ["ddpo-update", "diffusion-dpo-update"];

    public void Run(ConformanceCase testCase)
    {
        Run(testCase, recompute: false);
        Run(testCase, recompute: true);
    }

    private static void Run(ConformanceCase testCase, bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = LoadModel(testCase);
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        JsonElement lora = testCase.Config.GetProperty("lora");
        using LoraAdapters adapters =
            ModelScopeTrainStepRunner.LoadAdapters(testCase, model, lora.GetProperty("lora_alpha").GetDouble() / lora.GetProperty("r").GetInt32());
        if (testCase.Kind == "ddpo-update")
        {
            Ddpo(testCase, model, adapters);
        }
        else
        {
            Dpo(testCase, model, adapters);
        }

        foreach ((string key, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            testCase.CheckOutput($"param.{key}", factor);
        }
    }

    private static TrainerSettings Settings(JsonElement arguments, long[] latents)
    {
        JsonElement tracked = arguments.GetProperty("per_prompt");
        bool perPrompt = tracked.ValueKind == JsonValueKind.Object;
        SamplingSettings sampling =
            Sampling(latents, arguments.GetProperty("num_inference_steps").GetInt32(), arguments.GetProperty("guidance_scale").GetDouble());
        var options = new DdpoOptions
        {
            InnerEpochs = arguments.GetProperty("num_inner_epochs").GetInt32(),
            ClipRange = arguments.GetProperty("clip_range").GetDouble(),
            AdvantageClip = arguments.GetProperty("adv_clip_max").GetDouble(),
            TimestepFraction = arguments.GetProperty("timestep_fraction").GetDouble(),
            TrainWithGuidance = arguments.GetProperty("train_cfg").GetBoolean(),
            PerPromptAdvantages = perPrompt,
            AdvantageBuffer = perPrompt ? tracked.GetProperty("buffer_size").GetInt32() : 1,
            AdvantageMinimum = perPrompt ? tracked.GetProperty("min_count").GetInt32() : 1,
        };
        return Training(sampling, arguments.GetProperty("train_batch_size").GetInt32(), arguments.GetProperty("optimiser")) with { Ddpo = options };
    }

    private static SegmentInputs Inputs(ConformanceCase testCase, VideoDiffusionModel model, SamplingSettings sampling, GradientPlan plan) => new()
    {
        Condition = ConditionOf(testCase["in.prompt_embeds"], sampling),
        Unconditional = model.GuidanceActs(sampling.GuidanceScale)
            ? ConditionOf(testCase["in.negative_prompt_embeds"].expand(testCase["in.latents"].shape[0], -1, -1), sampling) : null,
        Start = testCase["in.latents"],
        Noise = step => testCase["in.noise"][step],
        Plan = plan,
    };

    private static void Ddpo(ConformanceCase testCase, VideoDiffusionModel model, LoraAdapters adapters)
    {
        JsonElement arguments = testCase.Arguments;
        TrainerSettings settings = Settings(arguments, testCase["in.latents"].shape);
        int videos = (int)testCase["in.latents"].shape[0], epochs = arguments.GetProperty("num_inner_epochs").GetInt32();
        IPolicySampler policy =
            ((DdimScheduler)model.Scheduler).CreatePolicy(settings.Sampling.Steps, arguments.GetProperty("eta").GetDouble(), rederiveNoise: false);
        var micro = new List<(Tensor Probability, PpoTerms Terms)>();
        Tensor? first = null;
        int divisor = 0;
        using VideoReward reward = TinyModel.Redness();
        using var trainer = new DdpoTrainer(settings.Run(model, reward), adapters, settings.Ddpo, policy) { OnMicroStep = Look };

        PolicySamples samples = trainer.Sample(Inputs(testCase, model, settings.Sampling, GradientPlan.None(trainer.StepCount)));
        testCase.CheckOutput("trajectory", samples.Trajectory);
        testCase.CheckOutput("log_probs", samples.LogProbabilities);

        double[] rewards = testCase["in.rewards"].to_type(ScalarType.Float64).cpu().data<double>().ToArray();
        double[] advantages = trainer.Advantages([.. arguments.GetProperty("prompts").EnumerateArray().Select(prompt => prompt.GetString()!)], rewards);
        testCase.CheckOutput("advantages", tensor(advantages));
        using RolloutBuffer epoch = trainer.Begin(samples, advantages, rewards, Enumerable.Range(0, epochs).Select(e => new MinibatchOrder(
            Whole(testCase["in.perm"][e]), [.. Enumerable.Range(0, videos).Select(place => Whole(testCase["in.perms"][e, place]))])));
        var norms = new List<double>();
        while (!epoch.IsExhausted)
        {
            trainer.Backward(epoch);
            if (norms.Count == 0)
            {
                CheckGradients(testCase, adapters, scale: 1);
                testCase.CheckOutput("noise_pred.first", first!);
                testCase.CheckGradient("grad.noise_pred.first", first!.grad! * divisor);
            }

            norms.Add(trainer.Update(norms.Count + 1, reward: 0, loss: 0).GradientNorm);
        }

        testCase.CheckOutput("grad-norm", tensor(norms.ToArray()));
        Check("log_prob", step => step.Probability);
        Check("ratio", step => step.Terms.Ratio);
        Check("loss", step => step.Terms.Loss);
        Check("approx_kl", step => step.Terms.ApproximateKl);
        Check("clipfrac", step => step.Terms.ClipFraction);

        void Check(string name, Func<(Tensor Probability, PpoTerms Terms), Tensor> of) => testCase.CheckOutput($"micro.{name}", stack(micro.Select(of)));

        void Look(PolicyMicroStep step)
        {
            static Tensor Kept(Tensor tensor) => tensor.detach().clone().DetachFromDisposeScope();
            micro.Add((Kept(step.LogProbability),
                new PpoTerms(Kept(step.Terms.Loss), Kept(step.Terms.Ratio), Kept(step.Terms.ApproximateKl), Kept(step.Terms.ClipFraction))));
            if (first is null)
            {
                first = step.Prediction.DetachFromDisposeScope();
                first.retain_grad();
                divisor = step.Divisor;
            }
        }
    }

    private static void Dpo(ConformanceCase testCase, VideoDiffusionModel model, LoraAdapters adapters)
    {
        JsonElement arguments = testCase.Arguments;
        JsonElement optimizer = arguments.GetProperty("optimiser");
        long[] latents = testCase["in.latents"].shape;
        int accumulate = optimizer.GetProperty("accumulate").GetInt32();
        SamplingSettings sampling = Sampling(latents[1..], steps: 1, guidanceScale: 1);
        TrainerSettings settings = Training(sampling, (int)latents[1] / 2, optimizer) with
        {
            DiffusionDpo = new DiffusionDpoOptions { Beta = arguments.GetProperty("beta_dpo").GetDouble() },
        };
        var seen = new List<PreferenceMicroStep>();
        using VideoReward reward = TinyModel.Redness();
        using var trainer = settings.DiffusionDpoTrainer(model, reward, adapters, Look);
        var norms = new List<double>();
        for (int micro = 0; micro < latents[0]; micro++)
        {
            trainer.Backward(new PreferenceBatch(
                testCase["in.latents"][micro], testCase["in.noise"][micro], Whole(testCase["in.timesteps"][micro]).Select(t => (long)t).ToArray(),
                ConditionOf(testCase["in.prompt_embeds"][micro], settings.Sampling)));
            if (micro == 0)
            {
                CheckGradients(testCase, adapters, accumulate);
                testCase.CheckGradient("grad.model_pred.0", seen[0].Prediction.grad! * accumulate);
            }

            if ((micro + 1) % accumulate == 0)
            {
                norms.Add(trainer.Update(norms.Count + 1, reward: 0, loss: 0).GradientNorm);
            }
        }

        testCase.CheckOutput("grad-norm", tensor(norms.ToArray()));
        Check("model_pred", step => step.Prediction);
        Check("ref_pred", step => step.Reference);
        Check("loss", step => step.Terms.Loss);
        Check("inside_term", step => step.Terms.Inside);
        Check("implicit_acc", step => step.Terms.Accuracy);
        Check("raw_model_loss", step => step.Terms.ModelError);
        Check("raw_ref_loss", step => step.Terms.ReferenceError);

        void Check(string name, Func<PreferenceMicroStep, Tensor> of) => testCase.CheckOutput(name, stack(seen.Select(step => of(step).detach())));

        void Look(PreferenceMicroStep step)
        {
            step.Prediction.retain_grad();
            foreach (Tensor kept in new[] { step.Prediction, step.Reference, step.Terms.Loss, step.Terms.Inside, step.Terms.Accuracy, step.Terms.ModelError,
                step.Terms.ReferenceError })
            {
                kept.DetachFromDisposeScope();
            }

            seen.Add(step);
        }
    }

    private static void CheckGradients(ConformanceCase testCase, LoraAdapters adapters, double scale)
    {
        foreach ((string key, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            testCase.CheckGradient($"grad.param.{key}", factor.grad! * scale);
        }
    }

    private static TrainerSettings Training(SamplingSettings sampling, int batchSize, JsonElement optimizer)
    {
        Assert.That(optimizer.GetProperty("name").GetString(), Is.EqualTo("AdamW"));
        return new TrainerSettings
        {
            Sampling = sampling,
            Optimizer = new OptimizerOptions
            {
                Steps = 1,
                BatchSize = batchSize,
                AccumulationSteps = optimizer.GetProperty("accumulate").GetInt32(),
                LearningRate = optimizer.GetProperty("lr").GetDouble(),
                Beta1 = optimizer.GetProperty("betas")[0].GetDouble(),
                Beta2 = optimizer.GetProperty("betas")[1].GetDouble(),
                Epsilon = optimizer.GetProperty("eps").GetDouble(),
                WeightDecay = optimizer.GetProperty("weight_decay").GetDouble(),
                MaxGradientNorm = optimizer.GetProperty("max_grad_norm").GetDouble(),
            },
        };
    }

    /// <summary>Sizes in pixels are not read when the start is given.</summary>
    private static SamplingSettings Sampling(long[] latents, int steps, double guidanceScale) =>
        new() { Size = new VideoSize((int)latents[2], (int)latents[3], (int)latents[4]), Steps = steps, GuidanceScale = guidanceScale };

    private static Condition ConditionOf(Tensor text, SamplingSettings sampling) => new() { Text = text, Size = sampling.Size };

    private static int[] Whole(Tensor order) => [.. order.contiguous().cpu().data<long>().ToArray().Select(index => (int)index)];

    /// <summary>A case has no decoder; nothing is decoded.</summary>
    private static VideoDiffusionModel LoadModel(ConformanceCase testCase)
    {
        ModelScopeUNet unet =
            new DiffusersFolder(testCase.PathOf("unet")).Load(config => new ModelScopeUNet(ModelScopeUNetConfig.FromJson(config), CaseDevice.Placement));
        return new VideoDiffusionModel(ModelScopeModel.FromNetworks(
            "case", new NoPrompts(), unet, new AutoencoderKL(new AutoencoderKLConfig { BlockOutChannels = [8], NormGroups = 4 }, CaseDevice.Placement),
            SchedulerConfig.ReadFile(testCase.PathOf("scheduler/scheduler_config.json")), CaseDevice.Placement));
    }
}
