using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class WanDenoiserTests
{
    private const double Boundary = 875;

    private static readonly WanLatentFactors s_factors = new(4, 8);

    private static readonly WanTransformerConfig s_tiny = new()
    {
        Heads = 2,
        HeadSize = 6,
        InChannels = 4,
        OutChannels = 4,
        Depth = 1,
        TextWidth = 5,
        FrequencyWidth = 8,
        FeedForwardWidth = 10,
    };

    [TestCase(1, 1)]
    [TestCase(81, 21)]
    public void TheFirstLatentFrameIsOfOneFrame(int frames, int latents)
    {
        using WanDenoiser denoiser = Single(s_tiny with { InChannels = 36 });
        Assert.That(denoiser.LatentShape(2, new VideoSize(frames, 480, 832)), Is.EqualTo(new long[] { 2, 4, latents, 60, 104 }));
    }

    [Test]
    public void WithoutGivenFramesItIsTheNetwork()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using WanDenoiser denoiser = Single(s_tiny);
        Condition condition = Conditions();
        Tensor y = denoiser.Predict(Latents, 300, condition);
        Assert.That(Distance(y, denoiser.ExpertFor(300).Forward(Latents, tensor([300f]), condition.Text)), Is.LessThan(1e-6));
        Assert.That(Distance(denoiser.PredictEach(Latents, [300, 300], condition), y), Is.LessThan(1e-5));
        Tensor each = denoiser.PredictEach(Latents, [300, 900], condition);
        Assert.That(Distance(each[..1], y[..1]), Is.LessThan(1e-5));
        Assert.That(Distance(each[1..], denoiser.Predict(Latents, 900, condition)[1..]), Is.LessThan(1e-5));
    }

    /// <summary>Wan 2.2 TI2V 5B: the sampler steps latents into which nothing is put, and the network sees the image in them.</summary>
    [Test]
    public void GivenFramesAreSeenInPlaceAtTimeZero()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using WanDenoiser denoiser = Single(s_tiny);
        Tensor given = Ramp.Values(5, 2, 4, 3, 4, 6), mask = tensor(new float[,] { { 0, 1, 1 }, { 1, 1, 1 } });
        Condition condition = Conditions() with { ImageLatents = given, FrameMask = mask };
        Tensor seen = Latents.clone();
        seen[0, .., 0] = given[0, .., 0];
        Tensor times = tensor(new float[,] { { 0, 300, 300 }, { 300, 300, 300 } });
        Tensor y = denoiser.Predict(Latents, 300, condition);
        Assert.That(Distance(y, denoiser.ExpertFor(300).Forward(seen, times, condition.Text)), Is.LessThan(1e-5));
        Assert.That(Distance(denoiser.PredictEach(Latents, [300, 300], condition), y), Is.LessThan(1e-5));
        Assert.That(Distance(y[1..], denoiser.Predict(Latents, 300, Conditions())[1..]), Is.LessThan(1e-5), "a row that is given nothing");
        Assert.That(Distance(y[..1], denoiser.Predict(Latents, 300, Conditions())[..1]), Is.GreaterThan(1e-3));
    }

    [Test]
    public void ChannelsOfTheImageStandBehindTheLatents()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using WanDenoiser denoiser = Single(s_tiny with { InChannels = 12 });
        Condition condition = Conditions() with { ImageLatents = Ramp.Values(5, 2, 8, 3, 4, 6) };
        Tensor y = denoiser.ExpertFor(300).Forward(cat([Latents, condition.ImageLatents], 1), tensor([300f]), condition.Text);
        Assert.That(Distance(denoiser.Predict(Latents, 300, condition), y), Is.LessThan(1e-6));
        Assert.That(
            () => denoiser.Predict(Latents, 300, Conditions()), Throws.ArgumentException.With.Message.Contains("12 channels, of which 8 tell it of an image"));
    }

    [TestCase(999, true)]
    [TestCase(Boundary, true)]
    [TestCase(874.9, false)]
    [TestCase(0, false)]
    public void TheExpertForHighNoisePredictsDownToTheBoundary(double timestep, bool high)
    {
        using DisposeScope scope = NewDisposeScope();
        using WanDenoiser denoiser = Experts();
        var experts = (WanExperts)denoiser.Network;
        Assert.That(denoiser.ExpertFor(timestep), Is.SameAs(high ? experts.HighNoise : experts.LowNoise));
        foreach (nn.Module expert in new[] { experts.HighNoise, experts.LowNoise })
        {
            expert.get_parameter("proj_out.weight")!.requires_grad_(true);
        }

        denoiser.Predict(Latents, timestep, Conditions()).square().sum().backward();
        Tensor? Gradient(WanTransformer expert) => expert.get_parameter("proj_out.weight")!.grad;
        Assert.That(Gradient(experts.HighNoise) is not null, Is.EqualTo(high));
        Assert.That(Gradient(experts.LowNoise) is not null, Is.EqualTo(!high));
    }

    [Test]
    public void RowsOnBothSidesOfTheBoundaryGoToTheirExperts()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using WanDenoiser denoiser = Experts();
        Tensor each = denoiser.PredictEach(Latents, [900, 300], Conditions());
        Assert.That(Distance(each[..1], denoiser.Predict(Latents, 900, Conditions())[..1]), Is.LessThan(1e-5));
        Assert.That(Distance(each[1..], denoiser.Predict(Latents, 300, Conditions())[1..]), Is.LessThan(1e-5));
    }

    [Test]
    public void WithoutMemoryItHasTheSameKeysAndShapes()
    {
        using WanDenoiser denoiser = Experts();
        using IDenoiser meta = denoiser.OnMeta();
        static string[] Keys(nn.Module network) => [.. network.state_dict().Select(pair => $"{pair.Key} {pair.Value.dtype} {Shapes.Describe(pair.Value)}")];
        Assert.That(Keys(meta.Network), Is.EqualTo(Keys(denoiser.Network)));
        Assert.That(Keys(meta.Network), Has.Some.StartsWith("transformer.blocks.0.").And.Some.StartsWith("transformer_2.blocks.0."));
        Assert.That(meta.Network.parameters().Select(parameter => parameter.device_type), Is.All.EqualTo(DeviceType.META));
    }

    private static Tensor Latents => Ramp.Values(1, 2, 4, 3, 4, 6);

    private static Condition Conditions() => new() { Text = Ramp.Values(2, 2, 3, 5), Size = new VideoSize(9, 32, 48) };

    private static WanDenoiser Single(WanTransformerConfig config) => new(Ramp.Fill(new WanTransformer(config, Placement.Cpu)), s_factors);

    private static WanDenoiser Experts() => new(
        Ramp.Fill(new WanExperts(new WanTransformer(s_tiny, Placement.Cpu), new WanTransformer(s_tiny, Placement.Cpu))), Boundary, s_factors);

    private static double Distance(Tensor a, Tensor b) => ((a - b).abs().max() / b.abs().max()).item<float>();
}
