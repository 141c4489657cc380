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
                using IDisposable guard = no_grad();
                foreach (TorchSharp.Modules.Parameter parameter in model.Networks[name].parameters())
                {
                    parameter.mul_(works ? 0.5 : 2);
                }
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
            using LoraAdapters adapters = TinyModel.Adapt(model);
            using VideoReward reward = TinyModel.Redness();
            TrainerSettings settings = TinyModel.Settings(steps: 2) with { FramesPerDecode = framesPerDecode, ValidateEvery = 1 };
            VideoPrompt[] prompts = use == ImageUse.None ? ["a red circle", "a blue square"] : [new("a ship", () => TinyImageModel.Image())];
            SamplingSettings sampling = use == ImageUse.Required ? TinyImageModel.Sampling(1)
                : use == ImageUse.Optional ? settings.Sampling with { Size = new VideoSize(17, 8, 16), FramesPerSecond = 24 } : settings.Sampling;
            settings = settings with { Sampling = sampling, ValidationPrompts = [prompts[0]] };
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
    }
}
