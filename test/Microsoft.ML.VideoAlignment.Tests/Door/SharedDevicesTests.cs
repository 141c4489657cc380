using System.Collections.Concurrent;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Models and rewards that several contexts and threads share, on devices that are names here: networks move when no computation uses them, and everyone finds
/// them where he wants them.
/// </summary>
public class SharedDevicesTests
{
    private static readonly Device s_other = new(DeviceType.CUDA, 1);

    [Test]
    public void AModelMovesInATurnAlone()
    {
        using var model = new TinyVideoModel();
        var held = new List<bool>();
        model.Moving = _ => held.Add(AdapterHost.ForModel(model).IsHeldByCurrentThread);
        model.Model.MoveTo(s_other);
        held.Clear();
        var rig = new DoorRig { Model = model };
        rig.Estimator().Fit(rig.Prompts);
        model.Model.MoveTo(s_other);
        rig.Context.Transforms.GenerateVideo("Video", "Prompt", model).Fit(rig.Prompts);
        Assert.That(held, Is.EqualTo(new[] { true, false, true }), "fitting; this test itself; generating");
    }

    [Test]
    public void ATransformerMakesItsVideosOnItsOwnDevice()
    {
        var rig = new DoorRig();
        using VideoAlignmentTransformer fitted = rig.Estimator().Fit(rig.Prompts);
        var moves = new List<Device>();
        rig.Model.Moving = moves.Add;
        AdapterHost.ForModel(rig.Model).MoveTo(s_other);
        EstimatorContract.Values(fitted.Transform(rig.Prompts));
        Assert.That(moves.Select(device => device.type), Is.EqualTo(new[] { DeviceType.CUDA, DeviceType.CPU }),
            "there by another, and back once, not for each row");
    }

    [Test]
    public void NothingMovesWhileAnotherThreadComputes()
    {
        using var model = new TinyVideoModel();
        var rig = new DoorRig { Model = model };
        using VideoAlignmentTransformer fitted = rig.Estimator().Fit(rig.Prompts);
        using var computing = new ManualResetEventSlim();
        using var asked = new ManualResetEventSlim();
        int inside = 0;
        var faults = new ConcurrentQueue<string>();
        model.Predicting = () =>
        {
            Interlocked.Increment(ref inside);
            computing.Set();
            asked.Wait();
            Interlocked.Decrement(ref inside);
        };
        model.Moving = device =>
        {
            if (Volatile.Read(ref inside) > 0)
            {
                faults.Enqueue($"moved to {device} under a forward");
            }
        };
        Task reading = Task.Run(() => EstimatorContract.Values(fitted.Transform(rig.Prompts)));
        computing.Wait();
        Task moving = Task.Run(() =>
        {
            asked.Set();
            AdapterHost.ForModel(model).MoveTo(s_other);
        });
        Task.WaitAll(reading, moving);
        Assert.That(faults, Is.Empty);
    }

    /// <summary>Two fits and a reader at once, on one model and one reward: each gives what it gives alone.</summary>
    [Test]
    public void FitsAndReadersOfOneModelTakeTurns()
    {
        var rig = new DoorRig();
        VideoAlignmentOptions first = DoorRig.ThreeSteps with { Seed = 1 }, second = DoorRig.ThreeSteps with { Seed = 2 };
        float[][] one = Videos(first), two = Videos(second);
        using VideoAlignmentTransformer ready = rig.Estimator(first).Fit(rig.Prompts);
        Task<float[][]>[] tasks =
        [
            Task.Run(() => Videos(first)), Task.Run(() => Videos(second)), Task.Run(() => EstimatorContract.Values(ready.Transform(rig.Prompts))),
            Task.Run(() => Videos(second)), Task.Run(() => Videos(first)),
        ];
        Task.WaitAll(tasks);
        Assert.That(tasks.Select(task => task.Result), Is.EqualTo(new[] { one, two, one, two, one }));
        Assert.That(one, Is.Not.EqualTo(two));

        float[][] Videos(VideoAlignmentOptions options)
        {
            using VideoAlignmentTransformer fitted = rig.Estimator(options).Fit(rig.Prompts);
            return EstimatorContract.Values(fitted.Transform(rig.Prompts));
        }
    }

    [Test]
    public void ACallbackThatAsksForTheModelInTrainingIsRefused()
    {
        var rig = new DoorRig();
        using VideoAlignmentTransformer ready = rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model).Fit(rig.Prompts);
        Exception? refusal = null;
        rig.Estimator(DoorRig.ThreeSteps, control: new RunControl
        {
            Progress = new Told(() =>
            refusal ??= Assert.Catch(() => EstimatorContract.Values(ready.Transform(rig.Prompts))))
        }).Fit(rig.Prompts);
        Assert.That(refusal, Is.InstanceOf<InvalidOperationException>().With.Message.Contains("training run on this thread"));
        Assert.That(EstimatorContract.Values(ready.Transform(rig.Prompts)), Has.Length.EqualTo(3), "afterwards it works");
    }

    [Test]
    public void ARewardMovesWhenNobodyUsesIt()
    {
        using var reward = new Placed();
        using VideoReward sum = reward + new Placed();
        IDisposable here = RewardDevices.Use(sum, CPU), alsoHere = RewardDevices.Use(reward, CPU);
        using var began = new ManualResetEventSlim();
        Task there = Task.Run(() =>
        {
            began.Set();
            using IDisposable use = RewardDevices.Use(reward, s_other);
            Assert.That(reward.Place, Is.EqualTo(DeviceType.CUDA));
        });
        began.Wait();
        Task.Run(() => RewardDevices.Use(sum, CPU).Dispose()).Wait();
        Assert.That(reward.Place, Is.EqualTo(DeviceType.CPU), "used side by side on one device, and not moved meanwhile");
        Assert.That(there.IsCompleted, Is.False);
        here.Dispose();
        alsoHere.Dispose();
        there.Wait();
        Assert.That(reward.Moves, Is.EqualTo(2), "to the CPU once, and away");
    }

    [Test]
    public void AUseForItselfAloneExcludesOthersAndSaysSoOnItsOwnThread()
    {
        using var reward = new Placed();
        using (RewardDevices.Use(reward, CPU, alone: true))
        {
            Assert.That(() => RewardDevices.Use(reward, CPU), Throws.InvalidOperationException.With.Message.Contains("'placed'"));
            Assert.That(() => RewardDevices.Use(reward, s_other), Throws.InvalidOperationException.With.Message.Contains("cuda"));
        }

        Assert.That(() => RewardDevices.Use(reward, s_other).Dispose(), Throws.Nothing);
    }

    /// <summary>Sums that share two parts, used from both ends on two devices, never wait for each other.</summary>
    [Test]
    public void SumsThatSharePartsDoNotLockEachOtherOut()
    {
        using var a = new Placed();
        using var b = new Placed();
        VideoReward ab = VideoRewards.Mix((a, 1f), (b, 1f)), ba = VideoRewards.Mix((b, 1f), (a, 1f));
        Task[] tasks = [.. new[] { (ab, CPU), (ba, s_other), (ba, CPU), (ab, s_other) }.Select(pair => Task.Run(() =>
        {
            for (int i = 0; i < 200; i++)
            {
                using IDisposable use = RewardDevices.Use(pair.Item1, pair.Item2);
                Assert.That((a.Place, b.Place), Is.EqualTo((pair.Item2.type, pair.Item2.type)));
            }
        }))];
        Task.WaitAll(tasks);
    }

    private sealed class Placed : VideoReward
    {
        public DeviceType Place { get; private set; } = DeviceType.META;

        public int Moves { get; private set; }

        public override string Name => "placed";

        public override RewardContract Contract { get; } = new();

        public override void MoveTo(Device device) => (Place, Moves) = (device.type, Moves + 1);

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => frames.mean([1, 2, 3, 4]);
    }

    private sealed class Told(Action act) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value) => act();
    }
}
