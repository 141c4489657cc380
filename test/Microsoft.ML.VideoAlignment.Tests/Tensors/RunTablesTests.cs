using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Tables are made once a run, and their numbers are the same without one.</summary>
public class RunTablesTests
{
    private int _made;

    [SetUp]
    public void Begin() => _made = 0;

    [Test]
    public void ATableIsMadeOnceARun()
    {
        for (int run = 0; run < 2; run++)
        {
            using IDisposable context = RunContext.Begin(DeviceType.CPU);
            for (int time = 0; time < 3; time++)
            {
                using Tensor table = Get(5, ScalarType.Float32);
                Assert.That(table.data<float>().ToArray(), Is.EqualTo(new float[] { 5, 5 }));
            }
        }

        Assert.That(_made, Is.EqualTo(2));
    }

    [Test]
    public void OfAnotherKeyOrTypeItIsAnother()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable context = RunContext.Begin(DeviceType.CPU);
        Tensor first = Get(5, ScalarType.Float32), other = Get(6, ScalarType.Float32), wide = Get(5, ScalarType.Float64);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(_made, Is.EqualTo(3));
            Assert.That(other[0].item<float>(), Is.EqualTo(6));
            Assert.That(wide.dtype, Is.EqualTo(ScalarType.Float64));
            Assert.That(first.dtype, Is.EqualTo(ScalarType.Float32));
        }
    }

    [Test]
    public void OutsideOfRunsAndOnShapesItIsMadeEachTime()
    {
        using DisposeScope scope = NewDisposeScope();
        Get(5, ScalarType.Float32);
        Get(5, ScalarType.Float32);
        using IDisposable context = RunContext.Begin(DeviceType.CUDA);
        Get(5, ScalarType.Float32, META);
        Tensor shape = Get(5, ScalarType.Float32, META);
        Assert.That((_made, shape.device_type), Is.EqualTo((4, DeviceType.META)));
    }

    [Test]
    public void AfterAnInferenceItCanTakePartInAGraph()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable context = RunContext.Begin(DeviceType.CPU);
        using (inference_mode())
        {
            Get(5, ScalarType.Float32);
        }

        Tensor x = ones(2, requires_grad: true);
        (x * Get(5, ScalarType.Float32)).sum().backward();
        Assert.That((_made, x.grad![0].item<float>()), Is.EqualTo((1, 5f)));
    }

    private Tensor Get(int key, ScalarType dtype, Device? device = null) => DeviceTable.ForRun(key, dtype, device ?? CPU, () =>
    {
        _made++;
        return tensor(new double[] { key, key });
    });
}
