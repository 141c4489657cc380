using System.Text.Json;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S15, Open-Sora part: the real trainer on given draws, both ways of decoding.</summary>
internal sealed class OpenSoraTrainStepRunner : IConformanceRunner
{
    public string Suite => "S15-vader-step";

    public IReadOnlyCollection<string> Kinds => ["opensora-train-step"];

    public void Run(ConformanceCase testCase)
    {
        Run(testCase, recompute: false);
        Run(testCase, recompute: true);
    }

    private static void Run(ConformanceCase testCase, bool recompute)
    {
        using VideoDiffusionModel model = new VideoDiffusionModel(OpenSoraModel.FromParts(
            new NoTexts(), testCase.PathOf("transformer"), testCase.PathOf("vae"), RectifiedFlow.FromConfig(testCase.Config.GetProperty("scheduler")),
                CaseDevice.Placement));
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        JsonElement lora = testCase.Config.GetProperty("lora");
        using LoraWeights factors = LoraFile.Read(
            model.Denoiser, testCase.PathOf("lora.pt"), LoraFormat.Vader, new LoraFileOptions { Alpha = lora.GetProperty("lora_alpha").GetDouble() });
        Assert.That(factors.Pairs.Select(pair => pair.Scale), Is.All.EqualTo(lora.GetProperty("scaling").GetDouble()).Within(1e-12));
        using LoraAdapters adapters = LoraAdapters.Attach(model.Denoiser, factors);
        SamplingSettings sampling = Sampling(testCase);
        TrainStepCase.Run(testCase, model, adapters, sampling, micro => RolloutOf(testCase, model, sampling, micro));
    }

    private static SamplingSettings Sampling(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        JsonElement scheduler = testCase.Config.GetProperty("scheduler");
        return new SamplingSettings
        {
            Size = new VideoSize(arguments.GetProperty("num_frames").GetInt32(), arguments.GetProperty("height").GetInt32(), arguments.GetProperty("width")
                .GetInt32()),
            Steps = scheduler.GetProperty("num_sampling_steps").GetInt32(),
            GuidanceScale = scheduler.GetProperty("cfg_scale").GetDouble(),
            FramesPerSecond = arguments.GetProperty("fps").GetDouble(),
            RewardLatentFrames = arguments.GetProperty("decode").GetString() switch
            {
                "latent-frame" => true,
                "video" => false,
                var other => throw new NotSupportedException($"decode {other}"),
            },
        };
    }

    private static Rollout RolloutOf(ConformanceCase testCase, VideoDiffusionModel model, SamplingSettings sampling, int micro)
    {
        Tensor start = testCase["in.latents"][micro];
        Assert.That(model.LatentShape((int)start.shape[0], sampling.Size), Is.EqualTo(start.shape), "shape of the latents for this size");
        var conditional = new Condition
        {
            Text = testCase["in.prompt_embeds"][micro].squeeze(1),
            TextMask = testCase["in.attention_mask"][micro],
            Scalars = ones(start.shape[0], 1, device: start.device)
                * (sampling.Size.Frames == 1 ? OpenSoraSizes.ImageFramesPerSecond : sampling.FramesPerSecond),
            Size = sampling.Size,
        };
        return new Rollout
        {
            Prompts = [.. Enumerable.Repeat("", (int)start.shape[0])],
            First = new SegmentInputs
            {
                Condition = conditional,
                Unconditional = model.Unconditional(conditional),
                Start = start,
                Noise = _ => throw new InvalidOperationException("rectified flow draws nothing"),
                Plan = TrainStepCase.WindowOf(testCase.Arguments.GetProperty("window"))
                    .Resolve(sampling.Steps, _ => throw new InvalidOperationException("nothing is drawn here")),
            },
            Frames = [.. testCase.Arguments.GetProperty("frames")[micro].EnumerateArray().Select(frame => frame.GetInt32())],
        };
    }
}
