using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class CpuKernelsTests
{
    [TestCase(null, null, true)]
    [TestCase("", null, true)]
    [TestCase(null, false, false)]
    [TestCase(null, true, true)]
    [TestCase("0", true, false)]
    [TestCase("1", false, true)]
    public void TheVariableWinsOverTheProgramsSwitch(string? variable, bool? value, bool on) =>
        Assert.That(CpuKernels.IsSwitchedOn(variable, value), Is.EqualTo(on));

    [Test]
    public void AnotherValueIsRefusedWithWhatIsExpected() =>
        Assert.That(() => CpuKernels.IsSwitchedOn("off", null),
            Throws.InvalidOperationException.With.Message.Contains("VIDEO_ALIGNMENT_CPU_KERNELS").And.Message.Contains("0"));

    /// <summary>The meta device stands for the CPU unless a meter says otherwise.</summary>
    [Test]
    public void OnlyFloat32OnTheProcessorFits()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.That(CpuKernels.Fits(zeros(1)), Is.EqualTo(CpuKernels.Enabled));
        Assert.That(CpuKernels.Fits(zeros(1, device: META)), Is.EqualTo(CpuKernels.Enabled), "an estimate stands for what will run");
        Assert.That(CpuKernels.Fits(zeros(1, dtype: ScalarType.Float64)), Is.False);
        Assert.That(CpuKernels.Fits(zeros(1, dtype: ScalarType.BFloat16)), Is.False);
    }

    /// <summary>The kernels are run behind the question alone.</summary>
    [TestCase("GroupNormKernel.Run(")]
    [TestCase("GegluKernel.Run(")]
    public void NobodyTakesAKernelWithoutAsking(string call)
    {
        string[] callers = [.. Repository.Files("src/Microsoft.ML.VideoAlignment", "*.cs")
            .Where(path => CSharpTokens.Code(Repository.Read(path)).Contains(call, StringComparison.Ordinal))];
        Assert.That(callers, Has.Length.EqualTo(1));
        Assert.That(CSharpTokens.Code(Repository.Read(callers[0])), Does.Contain("CpuKernels.Fits("));
    }
}
