using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A step whose backward pass fails changes no weight, and nothing of its gradient is left.</summary>
[NonParallelizable]
public class FailedBackwardTests
{
    private static readonly VideoPrompt[] s_prompts = ["a red circle", "a blue square", "a horse", "a green cross"];

    private static IEnumerable<TestCaseData> Trainers()
    {
        TrainerSettings settings = TinyModel.Settings(accumulation: 2);
        yield return Case("all frames at once", (model, adapters) => Reward(model, adapters, settings));
        yield return Case("frames in chunks", (model, adapters) => Reward(model, adapters, settings with { FramesPerDecode = 1 }));
        yield return Case("penalty", (model, adapters) => Reward(model, adapters, settings with { KlWeight = 0.1 }));
        yield return Case("DDPO", (model, adapters) =>
        {
            var alike = new DdpoOptions { PerPromptAdvantages = false };
            TrainerSettings options = TinyModel.Settings(batch: 2) with { Ddpo = alike };
            return options.DdpoTrainer(model, TinyModel.Redness(), adapters);
        });
        yield return Case("Diffusion-DPO", (model, adapters) =>
        {
            TrainerSettings options = TinyModel.Settings();
            return options.DiffusionDpoTrainer(model, TinyModel.Redness(), adapters);
        });

        static AlignmentTrainer Reward(VideoDiffusionModel model, LoraAdapters adapters, TrainerSettings settings) =>
            settings.Trainer(model, TinyModel.Redness(), adapters);

        static TestCaseData Case(string name, Func<VideoDiffusionModel, LoraAdapters, AlignmentTrainer> make) =>
            new TestCaseData(make).SetArgDisplayNames(name);
    }

    /// <summary>The first block of the denoiser fails that runs after adapters have got gradient of the same step.</summary>
    [TestCaseSource(nameof(Trainers))]
    public void NoUpdateFollowsABlockThatFails(object make)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute);
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using AlignmentTrainer trainer = ((Func<VideoDiffusionModel, LoraAdapters, AlignmentTrainer>)make)(model, adapters);
        Dictionary<string, byte[]> before = Bytes(adapters);
        Exception fault = Faults.Create(Fault.OutOfDeviceMemory);
        bool broken = false;
        using (new BackwardObserver(Break))
        {
            Assert.That(() => trainer.Train(s_prompts), Throws.TypeOf<TrainingStepException>().With.InnerException.SameAs(fault));
        }

        Assert.That(broken);
        RequireUntouched(adapters, before);

        void Break(string name)
        {
            if (adapters.Parameters.Any(factor => factor.grad is { } gradient && gradient.count_nonzero().ToInt64() > 0))
            {
                broken = true;
                throw fault;
            }
        }
    }

    /// <summary>The reward's backward pass fails on a thread of libtorch's own, in the third step.</summary>
    [TestCase(Fault.OutOfMemory)]
    [TestCase(Fault.Plain)]
    public void ARewardThatFailsOnAnotherThreadEndsTheRunAsItsLastGoodStepLeftIt(Fault kind)
    {
        Exception fault = Faults.Create(kind);
        (Exception? caught, int steps, int thread) = Run(() => throw fault, CancellationToken.None);
        Assert.That(caught, Is.TypeOf<TrainingStepException>().With.InnerException.SameAs(fault));
        Assert.That(steps, Is.EqualTo(2));
        Assert.That(thread, Is.Not.EqualTo(Environment.CurrentManagedThreadId));
    }

    [Test]
    public void ARunCanceledInTheBackwardPassKeepsItsLastGoodStep()
    {
        using var source = new CancellationTokenSource();
        (Exception? caught, int steps, int thread) = Run(
            () =>
            {
                source.Cancel();
                source.Token.ThrowIfCancellationRequested();
            },
            source.Token);
        Assert.That(caught, Is.Null, "a run that is canceled returns what it has");
        Assert.That(steps, Is.EqualTo(2));
        Assert.That(thread, Is.Not.EqualTo(Environment.CurrentManagedThreadId));
    }

    private static (Exception? Caught, int Steps, int Thread) Run(Action fail, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        (int caller, int thread, int steps) = (Environment.CurrentManagedThreadId, -1, 0);
        VideoReward reward = VideoRewards.Custom("redness", (frames, _) => ForeignThread.Deep(Score, frames));
        using IDisposable run = RunContext.Begin(DeviceType.CPU, cancellation: cancellation);
        using var trainer = TinyModel.Settings(steps: 4).Trainer(model, reward, adapters);
        Dictionary<string, byte[]> good = [];
        Exception? caught = null;
        try
        {
            trainer.Train(s_prompts, step => (steps, good) = (step.Step, Bytes(adapters)));
        }
        catch (TrainingStepException exception)
        {
            caught = exception;
        }

        RequireUntouched(adapters, good);
        return (caught, steps, thread);

        Tensor Score(Tensor frames)
        {
            if (steps == 2 && is_grad_enabled() && Environment.CurrentManagedThreadId != caller)
            {
                thread = Environment.CurrentManagedThreadId;
                fail();
            }

            return frames.select(1, 0).mean([1, 2, 3]);
        }
    }

    private static void RequireUntouched(LoraAdapters adapters, Dictionary<string, byte[]> before)
    {
        Assert.That(Bytes(adapters), Is.EqualTo(before));
        Assert.That(adapters.Parameters, Has.All.Matches<Tensor>(factor => factor!.grad is not { } gradient || gradient.count_nonzero().ToInt64() == 0));
    }

    private static Dictionary<string, byte[]> Bytes(LoraAdapters adapters) =>
        adapters.StateDict().ToDictionary(pair => pair.Key, pair => pair.Value.contiguous().bytes.ToArray(), StringComparer.Ordinal);
}
