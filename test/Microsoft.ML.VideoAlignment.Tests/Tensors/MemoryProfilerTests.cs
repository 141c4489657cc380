using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is counted is what the flow of execution does, on whatever thread.</summary>
public class MemoryProfilerTests
{
    private const long Large = 1 << 22;

    /// <summary>The block holds a large tensor only when it runs again.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void ABlockThatRunsAgainIsSeenOnWhateverThread(bool other)
    {
        using DisposeScope scope = NewDisposeScope();
        using var meter = new MemoryProfiler([], DeviceType.CPU);
        Tensor y = Recorded();
        Assert.That(Peak(meter), Is.LessThan(Large));
        Pass(y, other);
        Assert.That(Peak(meter), Is.GreaterThan(Large));
    }

    [Test]
    public void AMeterThatHasEndedSeesNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor y;
        MemoryProfiler meter;
        using (meter = new MemoryProfiler([], DeviceType.CPU))
        {
            y = Recorded();
        }

        Pass(y, other: true);
        Assert.That(Peak(meter), Is.LessThan(Large));
    }

    [Test]
    public void RunsAtTheSameTimeSeeTheirOwn()
    {
        long[] peaks = new long[2];
        ForeignThread.Together(2, (index, meet) =>
        {
            using DisposeScope scope = NewDisposeScope();
            using var meter = new MemoryProfiler([], index == 0 ? DeviceType.CPU : DeviceType.CUDA);
            meet();
            using Tensor own = empty((index + 1) * Large, dtype: ScalarType.Byte, device: META);
            meter.Sample();
            meet();
            peaks[index] = RunContext.IsForCpu == (index == 0) ? Peak(meter) : -1;
            meet();
        });
        Assert.That(peaks, Is.EqualTo(new[] { Large, 2 * Large }));
    }

    [Test]
    public void AFlowHasOneMeterAtATime()
    {
        using (new MemoryProfiler([], DeviceType.CPU))
        {
            Assert.That(() => new MemoryProfiler([], DeviceType.CPU), Throws.InvalidOperationException);
        }

        using var next = new MemoryProfiler([], DeviceType.CUDA);
        Assert.That(RunContext.IsForCpu, Is.False);
    }

    private static Tensor Recorded() => Recompute.Run(
        ActivationMemory.Recompute, inputs =>
        {
            if (is_grad_enabled())
            {
                using Tensor large = empty(Large, device: META);
                Ops.Add(large, large).Dispose();
            }

            return inputs[0] * 2;
        },
        empty(3, device: META).requires_grad_(true)).sum();

    private static void Pass(Tensor y, bool other)
    {
        if (other)
        {
            ForeignThread.Run(() => Recompute.Backward(y));
        }
        else
        {
            Recompute.Backward(y);
        }
    }

    private static long Peak(MemoryProfiler meter) => Enum.GetValues<RunStage>().Max(stage => meter[stage]);
}
