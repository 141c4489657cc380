using System.Text.Json;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S15, VideoCrafter part: the real trainer on given draws, with adapters in VADER's own file form.</summary>
internal sealed class VideoCrafterTrainStepRunner : IConformanceRunner
{
    /// <summary>What a case puts before a module of the denoiser.</summary>
    private const string Prefix = "model.diffusion_model.";

    public string Suite => "S15-vader-step";

    public IReadOnlyCollection<string> Kinds => ["videocrafter-train-step"];

    public void Run(ConformanceCase testCase)
    {
        Run(testCase, recompute: false);
        Run(testCase, recompute: true);
    }

    private static void Run(ConformanceCase testCase, bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = VideoCrafterCase.Load(testCase);
        model.RecomputeBlocks = recompute;
        JsonElement lora = testCase.Config.GetProperty("lora");
        JsonElement file = testCase.Json.GetProperty("weights").EnumerateArray()
            .Single(weights => weights.GetProperty("prefix").GetString()!.StartsWith("base_model.", StringComparison.Ordinal));
        using LoraAdapters adapters = LoraFile.Load(
            model.Denoiser, testCase.PathOf(file.GetProperty("file").GetString()!), LoraFormat.Vader,
                new LoraFileOptions { Alpha = lora.GetProperty("lora_alpha").GetDouble() });
        Assert.That(adapters.Layers.Select(layer => layer.Adapter.Scale), Is.All.EqualTo(lora.GetProperty("scaling").GetDouble()).Within(1e-12),
            $"{testCase}: scale");
        Assert.That(adapters.Layers.Select(layer => layer.Name),
            Is.EquivalentTo(LoraVocabulary.Diffusers.AttentionQkv.Select(model.Denoiser).Select(layer => layer.Name)), $"{testCase}: the preset's layers");

        SamplingSettings sampling =
            VideoCrafterCase.Sampling(testCase, testCase["in.latents"].shape, testCase.Arguments.GetProperty("guidance_scale").GetDouble());
        int steps = model.CreateSampler(sampling).Timesteps.Count;
        Assert.That(steps, Is.EqualTo(testCase.Arguments.GetProperty("steps").GetInt32()), $"{testCase}: steps");
        GradientPlan plan = TrainStepCase.WindowOf(testCase.Arguments.GetProperty("window"), sampling.Steps)
            .Resolve(steps, _ => throw new InvalidOperationException("nothing is drawn here"));
        Assert.That(plan.GradientSteps.Count(), Is.EqualTo(testCase.Arguments.GetProperty("graded_steps").GetInt32()), $"{testCase}: gradient steps");

        Condition[] conditions;
        Condition unconditional;
        using (no_grad())
        {
            conditions = [.. Enumerable.Range(0, (int)testCase["in.tokens"].shape[0])
                .Select(micro => VideoCrafterCase.Condition(testCase, model, testCase["in.tokens"][micro], sampling.Size))];
            unconditional = VideoCrafterCase.Condition(testCase, model, testCase["in.uncond_tokens"], sampling.Size);
        }

        testCase.CheckOutput("prompt_embeds", stack(conditions.Select(condition => condition.Text)));
        testCase.CheckOutput("negative_prompt_embeds", unconditional.Text);
        int[] frames = [.. testCase.Arguments.GetProperty("frame_of_micro_step").EnumerateArray().Select(frame => frame.GetInt32())];
        TrainStepCase.Run(
            testCase, model, adapters, sampling,
            micro => new Rollout
            {
                Prompts = [.. Enumerable.Repeat("", (int)testCase["in.tokens"].shape[1])],
                First = new SegmentInputs
                {
                    Condition = conditions[micro],
                    Unconditional = model.GuidanceActs(sampling.GuidanceScale) ? unconditional : null,
                    Start = testCase["in.latents"][micro],
                    Noise = step => testCase["in.noise"][micro, step],
                    Plan = plan,
                },
                Frames = [frames[micro]],
            },
            Prefix);
    }
}
