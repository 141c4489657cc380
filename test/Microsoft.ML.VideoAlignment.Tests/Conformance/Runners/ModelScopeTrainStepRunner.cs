using System.Text.Json;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S15, ModelScope part: the real trainer on given draws.</summary>
internal sealed class ModelScopeTrainStepRunner : IConformanceRunner
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
        using VideoDiffusionModel model = LoadModel(testCase);
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        using LoraAdapters adapters = LoadAdapters(testCase, model, testCase.Config.GetProperty("lora").GetProperty("scaling").GetDouble());
        TrainStepCase.Run(testCase, model, adapters, Sampling(testCase), micro => RolloutOf(testCase, model, micro));
    }

    /// <summary>Each rank's rows alone: their gradients' norms, and their mean is the whole batch's gradient.</summary>
    private static void CheckRanks(ConformanceCase testCase)
    {
        int ranks = testCase.Arguments.GetProperty("ranks").GetInt32();
        using VideoDiffusionModel model = LoadModel(testCase);
        using LoraAdapters adapters = LoadAdapters(testCase, model, testCase.Config.GetProperty("lora").GetProperty("scaling").GetDouble());
        using var reward = new TinyReward(testCase);
        using var trainer = TrainStepCase.Settings(testCase, Sampling(testCase), accumulate: 1).Trainer(model, reward, adapters);
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

    private static VideoDiffusionModel LoadModel(ConformanceCase testCase) => new(ModelScopeModel.FromParts(
        new NoPrompts(), testCase.PathOf("unet"), testCase.PathOf("vae"), testCase.Config.GetProperty("scheduler"), CaseDevice.Placement));

    /// <summary>Attaches the case's adapters; what stands before the modules' names is the file's prefix unless another is given.</summary>
    internal static LoraAdapters LoadAdapters(ConformanceCase testCase, VideoDiffusionModel model, double scale, string? before = null)
    {
        JsonElement weights = testCase.Json.GetProperty("weights").EnumerateArray().Single(file => file.GetProperty("format").GetString() == "safetensors");
        string prefix = before ?? weights.GetProperty("prefix").GetString()!;
        using IWeightSource file = new SafetensorsFile(testCase.PathOf(weights.GetProperty("file").GetString()!));
        using var factors = new LoraWeights(
            [
                .. file.Entries.Keys.Where(name => name.EndsWith(".lora_A.weight", StringComparison.Ordinal)).Select(name => new LoraPair(
                    name[prefix.Length..^".lora_A.weight".Length], file.Read(name), file.Read(name.Replace("lora_A", "lora_B", StringComparison.Ordinal)),
                        scale)),
            ],
            new LoraOrigin());
        return LoraAdapters.Attach(model.Denoiser, factors);
    }

    private static SamplingSettings Sampling(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        long[] latents = testCase["in.latents"].shape;
        return new SamplingSettings
        {
            // Sizes in pixels are not read when the start is given.
            Size = new VideoSize((int)latents[3], (int)latents[4], (int)latents[5]),
            Steps = arguments.GetProperty("num_inference_steps").GetInt32(),
            GuidanceScale = arguments.GetProperty("guidance_scale").GetDouble(),
            Eta = arguments.GetProperty("eta").GetDouble(),
        };
    }

    private static Rollout RolloutOf(ConformanceCase testCase, VideoDiffusionModel model, int micro, (long Start, long Count)? rows = null)
    {
        Tensor Rows(Tensor batch) => rows is { } part ? batch.narrow(0, part.Start, part.Count) : batch;
        int steps = testCase.Arguments.GetProperty("num_inference_steps").GetInt32();
        Tensor start = Rows(testCase["in.latents"][micro]);
        Condition ConditionOf(Tensor text) => new() { Text = text, Size = Sampling(testCase).Size };
        return new Rollout
        {
            Prompts = [.. Enumerable.Repeat("", (int)start.shape[0])],
            First = new SegmentInputs
            {
                Condition = ConditionOf(Rows(testCase["in.prompt_embeds"][micro])),
                Unconditional = testCase.Find("in.negative_prompt_embeds") is { } unconditional ? ConditionOf(Rows(unconditional)) : null,
                Start = start,
                Noise = step => Rows(testCase["in.noise"][micro, step]),
                Plan = TrainStepCase.WindowOf(testCase.Arguments.GetProperty("window"))
                    .Resolve(steps, _ => throw new InvalidOperationException("nothing is drawn here")),
            },
            Frames = [.. testCase.Arguments.GetProperty("frames").EnumerateArray().Select(frame => frame.GetInt32())],
        };
    }
}
