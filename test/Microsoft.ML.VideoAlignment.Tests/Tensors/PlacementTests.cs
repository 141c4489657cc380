using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class PlacementTests
{
    /// <summary>The first parameter of either network is one that is kept in float32.</summary>
    [TestCase(WeightPrecision.Float32)]
    [TestCase(WeightPrecision.BFloat16)]
    [TestCase(WeightPrecision.Float16)]
    [TestCase(WeightPrecision.Int8)]
    public void ANetworkWithoutMemoryIsStoredAsTheOriginal(WeightPrecision precision)
    {
        Func<Placement, nn.Module>[] families =
        [
            placement => new STDiT3(new STDiT3Config { HiddenSize = 64, Depth = 1, Heads = 2, CaptionChannels = 6, MaxTokens = 5 }, placement),
            placement => new WanTransformer(new WanTransformerConfig { Heads = 4, HeadSize = 16, Depth = 1, TextWidth = 6, FeedForwardWidth = 64 }, placement),
        ];
        foreach (Func<Placement, nn.Module> make in families)
        {
            using nn.Module network = make(Placement.OnCpu(precision));
            using nn.Module copy = make(Placement.MetaLike(network));
            Assert.That(copy.state_dict().Select(Describe), Is.EqualTo(network.state_dict().Select(Describe)));
            Assert.That(copy.parameters().Select(parameter => parameter.device_type), Is.All.EqualTo(DeviceType.META));
        }

        static string Describe(KeyValuePair<string, Tensor> pair) => $"{pair.Key} {pair.Value.dtype} {Shapes.Describe(pair.Value)}";
    }

    [TestCase(WeightPrecision.Float32)]
    [TestCase(WeightPrecision.BFloat16)]
    [TestCase(WeightPrecision.Int8)]
    public void TheWidePlacementIsFloat32(WeightPrecision precision)
    {
        using var layer = new Linear(64, 64, Placement.OnCpu(precision).Wide);
        Assert.That(layer.parameters().Select(parameter => parameter.dtype), Is.EqualTo(new[] { ScalarType.Float32, ScalarType.Float32 }));
    }
}
