using System.Runtime.InteropServices;
using Examples;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What ends an example early, and how much of it.</summary>
public class InterruptionTests
{
    [Test]
    public void ControlCEndsTrainingThenTheComparisonThenTheProgram()
    {
        using var interruption = new Interruption("");
        Assert.That(interruption.Receive(PosixSignal.SIGINT), Is.True);
        Assert.That((interruption.Training.IsCancellationRequested, interruption.Comparison.IsCancellationRequested, interruption.ExitCode),
            Is.EqualTo((true, false, 0)));
        Assert.That(interruption.Receive(PosixSignal.SIGINT), Is.True);
        Assert.That((interruption.Comparison.IsCancellationRequested, interruption.ExitCode), Is.EqualTo((true, 130)));
        Assert.That(interruption.Receive(PosixSignal.SIGINT), Is.False, "the system ends the program");
    }

    [TestCase(PosixSignal.SIGTERM, 143)]
    [TestCase(PosixSignal.SIGHUP, 129)]
    public void OtherSignalsLeaveTheComparisonOut(PosixSignal signal, int code)
    {
        using var interruption = new Interruption("");
        Assert.That(interruption.Receive(signal), Is.True);
        Assert.That((interruption.Training.IsCancellationRequested, interruption.Comparison.IsCancellationRequested, interruption.ExitCode),
            Is.EqualTo((true, true, code)));
    }

    [Test]
    public void WhereNothingIsLeftToTrainControlCEndsTheComparison()
    {
        using var interruption = new Interruption("") { Trained = true };
        Assert.That(interruption.Receive(PosixSignal.SIGINT), Is.True);
        Assert.That((interruption.Comparison.IsCancellationRequested, interruption.ExitCode), Is.EqualTo((true, 130)));
    }
}
