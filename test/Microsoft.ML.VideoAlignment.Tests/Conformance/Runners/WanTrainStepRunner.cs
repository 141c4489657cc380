using System.Text.Json;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S15, Wan part: the real trainer on given draws, with images and with two experts.</summary>
internal sealed class WanTrainStepRunner : IConformanceRunner
{
    public string Suite => "S15-vader-step";

    public IReadOnlyCollection<string> Kinds => ["wan-train-step"];

    public void Run(ConformanceCase testCase)
    {
        Run(testCase, recompute: false);
        Run(testCase, recompute: true);
    }

    private static void Run(ConformanceCase testCase, bool recompute)
    {
        using VideoDiffusionModel model = Load(testCase);
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        string prefix = model.Denoiser is WanExperts ? "" : "transformer.";
        using LoraAdapters adapters = ModelScopeTrainStepRunner.LoadAdapters(
            testCase, model, testCase.Config.GetProperty("lora").GetProperty("scaling").GetDouble(), prefix);
        SamplingSettings sampling = Sampling(testCase, model);
        TrainStepCase.Run(testCase, model, adapters, sampling, micro => RolloutOf(testCase, model, sampling, micro), prefix);
    }

    private static VideoDiffusionModel Load(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        var vae = WanVaeConfig.FromJson(new DiffusersFolder(testCase.PathOf("vae")).ReadConfig());
        double? boundary = ConfigJson.Find(arguments, "boundary_ratio")?.GetDouble();
        WanTransformer Network(string folder) => new DiffusersFolder(testCase.PathOf(folder)).Load(
            config => new WanTransformer(WanTransformerConfig.FromJson(config), CaseDevice.Placement), map: WanTransformerKeys.Map);
        var networks = new WanNetworks(
            Network("transformer"), boundary is null ? null : Network("transformer_2"),
            new DiffusersFolder(testCase.PathOf("vae")).Load(_ => new WanVae(vae, CaseDevice.Placement), map: WanVaeKeys.CreateMap(vae)), ImageEncoder: null);
        var index = new WanModelIndex
        {
            IsImageToVideo = ConfigJson.Find(arguments, "image") is not null,
            BoundaryRatio = boundary,
            ExpandsTimesteps = arguments.GetProperty("expand_timesteps").GetBoolean(),
        };
        JsonElement scheduler = SchedulerConfig.ReadFile(testCase.PathOf("scheduler/scheduler_config.json"));
        return new VideoDiffusionModel(WanModel.FromNetworks(testCase.Folder, new NoTexts(), networks, index, scheduler, CaseDevice.Placement));
    }

    private static SamplingSettings Sampling(ConformanceCase testCase, VideoDiffusionModel model)
    {
        JsonElement arguments = testCase.Arguments;
        WanVaeConfig vae = ((WanDecoder)model.Parts.Decoder).Autoencoder.Config;
        long[] latents = testCase["in.latents"].shape;
        return new SamplingSettings
        {
            Size = new VideoSize(vae.Frames(latents[3]), (int)(latents[4] * vae.SpatialFactor), (int)(latents[5] * vae.SpatialFactor)),
            Steps = arguments.GetProperty("num_inference_steps").GetInt32(),
            GuidanceScale = arguments.GetProperty("guidance_scale").GetDouble(),
            LowNoiseGuidanceScale = ConfigJson.Find(arguments, "guidance_scale_2")?.GetDouble(),
            Sigmas = ConfigJson.Find(arguments, "sigmas") is { } sigmas ? [.. sigmas.EnumerateArray().Select(sigma => sigma.GetDouble()), 0] : null,
            RewardLatentFrames = arguments.GetProperty("decode").GetString() switch
            {
                "latent-frame" => true,
                "video" or "prefix" => false, // the first frames are those of the whole
                var other => throw new NotSupportedException($"decode {other}"),
            },
        };
    }

    private static Rollout RolloutOf(ConformanceCase testCase, VideoDiffusionModel model, SamplingSettings sampling, int micro)
    {
        Tensor start = testCase["in.latents"][micro];
        Assert.That(model.LatentShape((int)start.shape[0], sampling.Size), Is.EqualTo(start.shape), "shape of the latents for this size");
        Condition ConditionOf(Tensor text) => WithImages(testCase, start.shape, micro, new Condition { Text = text, Size = sampling.Size });
        return new Rollout
        {
            Prompts = [.. Enumerable.Repeat("", (int)start.shape[0])],
            First = new SegmentInputs
            {
                Condition = ConditionOf(testCase["in.prompt_embeds"][micro]),
                Unconditional = testCase.Find("in.negative_prompt_embeds") is { } unconditional ? ConditionOf(unconditional.alias()) : null,
                Start = start,
                Noise = _ => throw new InvalidOperationException("nothing is drawn"),
                Plan = TrainStepCase.WindowOf(testCase.Arguments.GetProperty("window"))
                    .Resolve(sampling.Steps, _ => throw new InvalidOperationException("nothing is drawn here")),
            },
            Frames = [.. testCase.Arguments.GetProperty("frames").EnumerateArray().Select(frame => frame.GetInt32())],
        };
    }

    private static Condition WithImages(ConformanceCase testCase, long[] latents, int micro, Condition texts)
    {
        Tensor? given = testCase.Find("in.condition")?[micro], states = testCase.Find("in.image_embeds")?[micro];
        if (given is null || !testCase.Arguments.GetProperty("expand_timesteps").GetBoolean())
        {
            return texts with { ImageLatents = given, ImageStates = states };
        }

        Tensor mask = ones(latents[0], latents[2], device: given.device);
        mask[.., 0] = 0;
        return texts with { ImageLatents = nn.functional.pad(given, [0, 0, 0, 0, 0, latents[2] - 1]), FrameMask = mask };
    }
}
