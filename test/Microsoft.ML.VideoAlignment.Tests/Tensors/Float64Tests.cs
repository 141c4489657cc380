using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class Float64Tests
{
    /// <summary>Stored in bfloat16 with frequencies in float32: every number is as it was, and nothing lost digits on the way.</summary>
    [Test]
    public void WhatIsStoredInTwoDtypesComesBack()
    {
        using DisposeScope scope = NewDisposeScope();
        var network =
            new STDiT3(new STDiT3Config { HiddenSize = 16, Depth = 1, Heads = 2, CaptionChannels = 8, MaxTokens = 4 }, new Placement(CPU, ScalarType.BFloat16));
        using (no_grad())
        {
            foreach ((string name, Tensor weight) in network.state_dict())
            {
                weight.copy_((arange(weight.numel(), dtype: ScalarType.Float32) * 0.37).sin().view(weight.shape));
            }
        }

        Dictionary<string, Tensor> before = network.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        using (new Float64([network]))
        {
            Assert.That(network.parameters().Select(weight => weight.dtype), Is.All.EqualTo(ScalarType.Float64));
        }

        foreach ((string name, Tensor now) in network.state_dict())
        {
            Assert.That(now.dtype, Is.EqualTo(before[name].dtype), name);
            Assert.That(now.Equals(before[name]), name);
        }

        Assert.That(before["rope.freqs"].dtype, Is.EqualTo(ScalarType.Float32));
    }

    /// <summary>A parameter and a buffer field of one name broke every conversion, to a GPU too.</summary>
    [TestCase(BlendStrategy.Constant)]
    [TestCase(BlendStrategy.Learned)]
    public void ABlendersFactorMoves(object strategy)
    {
        using DisposeScope scope = NewDisposeScope();
        var blender = new AlphaBlender((BlendStrategy)strategy, switched: false, Placement.Cpu);
        Tensor factor = blender.state_dict()["mix_factor"];
        using (no_grad())
        {
            factor.fill_(0.25);
        }

        blender.to(ScalarType.Float64);
        double weight = (BlendStrategy)strategy == BlendStrategy.Constant ? 0.25 : 1 / (1 + Math.Exp(-0.25));
        Tensor blend = blender.Blend(ones(1, dtype: ScalarType.Float64), zeros(1, dtype: ScalarType.Float64));
        Assert.That(blend.item<double>(), Is.EqualTo(weight).Within(1e-15));
        Assert.That(blender.state_dict()["mix_factor"].dtype, Is.EqualTo(ScalarType.Float64));
    }
}
