using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S12, Open-Sora part: prompts in, frames out, with given frames where a mask strategy says so.</summary>
public sealed class OpenSoraPipelineRunner : IConformanceRunner
{
    public string Suite => "S12-pipelines";

    public IReadOnlyCollection<string> Kinds => ["opensora.pipeline"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        using IDisposable guard = no_grad();
        JsonElement arguments = testCase.Arguments;
        using VideoDiffusionModel model = Load(testCase);
        JsonElement scheduler = testCase.Config.GetProperty("scheduler");
        var sampling = new SamplingSettings
        {
            Size = new VideoSize(arguments.GetProperty("num_frames").GetInt32(), arguments.GetProperty("height").GetInt32(), arguments.GetProperty("width")
                .GetInt32()),
            Steps = scheduler.GetProperty("num_sampling_steps").GetInt32(),
            GuidanceScale = scheduler.GetProperty("cfg_scale").GetDouble(),
            FramesPerSecond = arguments.GetProperty("fps").GetDouble(),
        };
        string[] prompts = Texts(arguments, "prompts");
        Tensor z = testCase["in.z"];
        Assert.That(model.SizeFault(sampling.Size), Is.Null);
        Assert.That(model.LatentShape(prompts.Length, sampling.Size), Is.EqualTo(z.shape), "shape of the latents for this size");
        Assert.That(z.shape[2..], Is.EqualTo(ConfigJson.Integers(arguments, "latent_size")));

        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        string[] texts = [.. prompts.Select(prompt => model.PromptSettings.GetText(prompt, model.PromptSettings.Loop))];
        Assert.That(texts, Is.EqualTo(Texts(arguments, "expected_prompts")));
        (outputs["input_ids"], outputs["attention_mask"], _) = ((T5PromptEncoder)model.TextEncoder).Tokens(texts);
        VideoRequest request =
            sampling.Request([.. prompts.Select(prompt => (VideoPrompt)prompt)], _ => throw new InvalidOperationException("no noise is drawn for the text"));
        Condition conditional = model.EncodeTexts(request); // references come as the case's own, with their noise
        outputs["text_embeddings"] = conditional.Text.unsqueeze(1);
        Tensor start = Given(testCase, model, z, outputs);
        Tensor? frameMask = outputs.GetValueOrDefault("frame_mask");
        conditional = conditional with { FrameMask = frameMask };
        Condition unconditional = model.EncodeUnconditional(request, conditional);

        ISampler sampler = model.CreateSampler(sampling, frameMask);
        List<Tensor> inputs = [];
        using var guidance = new Guidance(model, conditional, unconditional, sampling);
        Tensor Predict(Tensor latents, double timestep)
        {
            if (inputs.Count == 0)
            {
                outputs["network_output_first"] = model.PredictAll(cat([latents, latents]), timestep, Condition.Stack(conditional, unconditional))
                    .DetachFromDisposeScope();
            }

            inputs.Add(latents.clone().DetachFromDisposeScope());
            return guidance.Predict(latents, timestep);
        }

        outputs["latents"] = Denoising.Run(sampler, start, Predict, GradientPlan.None(sampling.Steps), step => testCase["in.noise"][step]);
        outputs["network_input"] = stack(inputs);
        outputs["timesteps"] = tensor(sampler.Timesteps.ToArray()).unsqueeze(1).expand(-1, prompts.Length);
        outputs["frames"] = model.Decode(outputs["latents"], sampling.Size.Frames);
        Assert.That(outputs["frames"].shape[2..],
            Is.EqualTo(new long[] { model.OutputSize(sampling.Size).Frames, model.OutputSize(sampling.Size).Height, model.OutputSize(sampling.Size).Width }));
        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor>());
        CheckChosenFrames(model, outputs["latents"], sampling.Size.Frames, outputs["frames"]);
    }

    private static VideoDiffusionModel Load(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        var settings = new OpenSoraPromptSettings
        {
            AestheticScore = ConfigJson.Find(arguments, "aes")?.GetDouble(),
            MotionScore = ConfigJson.Find(arguments, "flow")?.GetDouble(),
            CameraMotion = ConfigJson.Find(arguments, "camera_motion")?.GetString(),
            Loop = (int)ConfigJson.Integer(arguments, "loop", 1),
        };
        VideoDiffusionModel model = new VideoDiffusionModel(OpenSoraModel.FromFolder(
            testCase.Folder, variant: null, CaseDevice.Placement, RectifiedFlow.FromConfig(testCase.Config.GetProperty("scheduler")), settings));
        Assert.That(model.TextEncoder.Length, Is.EqualTo(testCase.Config.GetProperty("model_max_length").GetInt32()), "tokens of a text");
        return model;
    }

    /// <summary>z with the references' latents in place; adds what the case lists of them to the outputs.</summary>
    private static Tensor Given(ConformanceCase testCase, VideoDiffusionModel model, Tensor z, Dictionary<string, Tensor> outputs)
    {
        // What a prompt's own suffix says goes before the arguments.
        string[] beside = Texts(testCase.Arguments, "mask_strategy");
        string[] strategies = [.. Texts(testCase.Arguments, "prompts").Select((prompt, row) =>
            OpenSoraPrompt.Parse(prompt).MaskStrategy is { Length: > 0 } own ? own : row < beside.Length ? beside[row] : "")];
        List<Tensor>[] references = [.. strategies.Select(_ => new List<Tensor>())];
        for (int row = 0; row < strategies.Length; row++)
        {
            for (int index = 0; testCase.Find($"in.reference.{row}.{index}") is { } pixels; index++)
            {
                string name = $"in.reference.{row}.{index}.noise";
                Tensor latents = model.Autoencoder.Encode(pixels.unsqueeze(0), testCase[$"{name}.spatial"], testCase[$"{name}.temporal"]).squeeze(0);
                references[row].Add(latents);
                outputs[$"reference_latent.{row}.{index}"] = latents;
            }
        }

        if (testCase.Find("out.frame_mask") is null)
        {
            return z;
        }

        (outputs["z_after_mask_strategy"], outputs["frame_mask"]) = MaskStrategy.Apply(
            z, references, strategies, (int)ConfigJson.Integer(testCase.Arguments, "loop", 1), (int?)ConfigJson.Find(testCase.Arguments, "align")?.GetInt64());
        return outputs["z_after_mask_strategy"];
    }

    /// <summary>A frame is the same whichever others are asked for.</summary>
    private static void CheckChosenFrames(VideoDiffusionModel model, Tensor latents, int frames, Tensor all)
    {
        foreach (int[] chosen in new int[][] { [0], [frames - 1], [0, frames / 2, frames - 1] }.Select(set => set.Distinct().ToArray()))
        {
            Tensor some = model.Decode(latents, frames, chosen);
            Tensor expected = all.index_select(2, tensor(chosen.Select(frame => (long)frame).ToArray(), device: all.device));
            Assert.That((some - expected).abs().max().item<float>(), Is.LessThan(1e-4f * expected.abs().max().item<float>()),
                $"frames {string.Join(", ", chosen)}");
        }
    }

    private static string[] Texts(JsonElement arguments, string key) => [.. ConfigJson.Texts(arguments, key)];
}
