using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ChannelQuantizationTests
{
    [Test]
    public void EachWeightIsWithinHalfAStepOfItsChannel()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor weight = Ramp.Values(1, 5, 7, 3, 3) * tensor([1f, 1e-3f, 40f, 0f, 2f]).view(5, 1, 1, 1);
        (Tensor whole, Tensor scale) = ChannelQuantization.Quantize(weight);
        Tensor error = (ChannelQuantization.Dequantize(whole, scale, ScalarType.Float32) - weight).abs().flatten(1).amax([1]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(whole.dtype, Is.EqualTo(ScalarType.Int8));
            Assert.That((error <= (scale * 0.50001)).all().ToBoolean());
            Assert.That(scale[3].ToSingle(), Is.Zero);
            Assert.That(whole.abs().flatten(1).amax([1]).to_type(ScalarType.Int32).data<int>().ToArray(), Is.EqualTo([127, 127, 127, 0, 127]));
        }
    }

    [Test]
    public void AWeightKeepsItsLayoutInMemory()
    {
        using DisposeScope scope = NewDisposeScope();
        TorchSharp.Modules.Parameter weight = Placement.OnCpu(WeightPrecision.Int8).ConvolutionWeight(64, 32, 3, 3);
        using Tensor scale = ones(64);
        Assert.That(ChannelQuantization.Dequantize(weight, scale, ScalarType.Float32).stride(), Is.EqualTo(weight.stride()));
    }
}
