using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Without a GPU a network can still wait where it works wrongly: with all its weights doubled, which is undone to the bit. What trains as it does without has
/// woken each network before its work and has not sent it away too early.
/// </summary>
public class CpuOffloaderTests
{
    /// <summary>A run whose text encoder alone waits: from before the first step to the end, and the steps are the same.</summary>
    [Test]
    public void ATextEncoderWaitsForTheWholeRun()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        VideoPrompt[] prompts = ["a red circle", "a blue square", "a red circle", ""];
        var moves = new List<string>();
        byte[] plain = Trained(model, idle: null, prompts, TinyModel.Settings(steps: 2));
        byte[] moved = Trained(
            model, CpuOffloader.CreateForTexts(model, (name, works) =>
            {
                moves.Add($"{name} {(works ? "works" : "waits")}");
                Scale(model.Networks[name], works);
            }), prompts, TinyModel.Settings(steps: 2));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(moved, Is.EqualTo(plain));
            Assert.That(moves, Is.EqualTo(new[] { "text_encoder waits", "text_encoder works" }));
        }
    }

    [Test]
    public void ATextThatWasNotAnnouncedBringsTheEncoderBack()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        SamplingSettings sampling = TinyModel.Settings().Sampling;
        using ConditionCache plain = new(model, sampling), moved = new(model, sampling);
        float[] expected = plain.Get(["a house"], NoNoise).Conditional.Text.data<float>().ToArray();
        var offloader = CpuOffloader.CreateForTexts(model, (name, works) => Scale(model.Networks[name], works));
        using IDisposable? offloading = RunContext.Observe(offloader);
        moved.Prepare(["a red circle"]);
        Assert.That(moved.Get(["a house"], NoNoise).Conditional.Text.data<float>().ToArray(), Is.EqualTo(expected));
        offloader.RestoreAll();

        static Tensor NoNoise(IReadOnlyList<long> shape) => throw new InvalidOperationException("nothing is drawn");
    }

    [TestCase(ImageUse.None, 1)]
    [TestCase(ImageUse.Required, 1)]
    [TestCase(ImageUse.Optional, 1)]
    [TestCase(ImageUse.None, null)]
    public void NetworksThatWaitTrainTheSame(object images, int? framesPerDecode)
    {
        using DisposeScope scope = NewDisposeScope();
        var use = (ImageUse)images;
        using VideoDiffusionModel model =
            use == ImageUse.Required ? TinyImageModel.Load() : use == ImageUse.Optional ? VideoDiffusionModel.Untrained(VideoModelFamily.OpenSora)
                : TinyModel.Load();
        using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute);
        byte[] plain = Trained(null);
        var moves = new List<string>();
        byte[] moved = Trained(CpuOffloader.Create(model, (name, works) =>
        {
            moves.Add($"{name} {(works ? "works" : "waits")}");
            if (name != CpuOffloader.Reward)
            {
                Scale(model.Networks[name], works);
            }
        }));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(moved, Is.EqualTo(plain));
            Assert.That(moves, Does.Contain("vae waits").And.Contain("vae works").And.Contain("reward waits").And.Contain("reward works"));
            Assert.That(moves.Count(move => move == "text_encoder works"), use == ImageUse.None ? Is.EqualTo(1) : Is.Zero,
                "at the end: texts are encoded before the first step");
            Assert.That(moves.Count(move => move == "vae works"), Is.AtLeast(2));
            Assert.That(moves.Count(move => move.EndsWith("works", StringComparison.Ordinal)), Is.EqualTo(moves.Count / 2));
        }

        byte[] Trained(CpuOffloader? idle)
        {
            TrainerSettings settings = TinyModel.Settings(steps: 2) with { FramesPerDecode = framesPerDecode, ValidateEvery = 1 };
            VideoPrompt[] prompts = use == ImageUse.None ? ["a red circle", "a blue square"] : [new("a ship", () => TinyImageModel.Image())];
            SamplingSettings sampling = use == ImageUse.Required ? TinyImageModel.Sampling(1)
                : use == ImageUse.Optional ? settings.Sampling with { Size = new VideoSize(17, 8, 16), FramesPerSecond = 24 } : settings.Sampling;
            settings = settings with { Sampling = sampling, ValidationPrompts = [prompts[0]] };
            return CpuOffloaderTests.Trained(model, idle, prompts, settings);
        }
    }

    private static byte[] Trained(VideoDiffusionModel model, CpuOffloader? idle, VideoPrompt[] prompts, TrainerSettings settings)
    {
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using VideoReward reward = TinyModel.Redness();
        using IDisposable? offloading = idle is null ? null : RunContext.Observe(idle);
        try
        {
            using var trainer = settings.Trainer(model, reward, adapters);
            trainer.Train(prompts);
        }
        finally
        {
            idle?.RestoreAll();
        }

        using var file = new MemoryStream();
        SafetensorsWriter.Write(file, adapters.StateDict());
        return file.ToArray();
    }

    private static void Scale(nn.Module network, bool works)
    {
        using IDisposable guard = no_grad();
        foreach (TorchSharp.Modules.Parameter parameter in network.parameters())
        {
            parameter.mul_(works ? 0.5 : 2);
        }
    }
}
