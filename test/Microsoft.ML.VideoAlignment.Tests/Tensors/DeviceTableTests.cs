using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class DeviceTableTests
{
    [Test]
    public void NumbersKeepTheirValuesAndTypes()
    {
        using DisposeScope scope = NewDisposeScope();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(DeviceTable.Create([3L, 1L << 40], CPU).data<long>().ToArray(), Is.EqualTo(new[] { 3L, 1L << 40 }));
            Assert.That(DeviceTable.Create([0.1, 2], CPU).data<double>().ToArray(), Is.EqualTo(new[] { 0.1, 2 }));
            Assert.That(DeviceTable.Create([0.1f], CPU).data<float>().ToArray(), Is.EqualTo(new[] { 0.1f }));
            Assert.That(DeviceTable.Create([0.1], CPU, ScalarType.Float32).data<float>().ToArray(), Is.EqualTo(new[] { 0.1f }));
            Assert.That(DeviceTable.Create([true, false], CPU).data<bool>().ToArray(), Is.EqualTo(new[] { true, false }));
            Assert.That(DeviceTable.Create([1L], META).device_type, Is.EqualTo(DeviceType.META));
        }
    }

    [Test]
    public void WhatIsUploadedIsDisposed()
    {
        Tensor made = ones(2);
        using Tensor there = DeviceTable.Upload(made, CPU);
        Assert.That((made.IsInvalid, there.sum().item<float>()), Is.EqualTo((true, 2f)));
    }
}
