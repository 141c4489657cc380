using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class WanVaeTests
{
    [Test]
    public void PublishedSizes()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(WanVaeConfig.Wan21.SpatialFactor, Is.EqualTo(8));
            Assert.That(WanVaeConfig.Wan22.SpatialFactor, Is.EqualTo(16));
            Assert.That(WanVaeConfig.Wan21.LatentFrames(81), Is.EqualTo(21));
            Assert.That(WanVaeConfig.Wan22.Frames(31), Is.EqualTo(121));
        }
    }

    [TestCase(0, "the nearest is 1.")]
    [TestCase(2, "the nearest is 1 or 5")]
    [TestCase(4, "the nearest is 1 or 5")]
    [TestCase(80, "the nearest is 77 or 81")]
    [TestCase(83, "the nearest is 81 or 85")]
    public void OtherNumbersOfFramesAreRefused(int frames, string nearest)
    {
        Assert.That(
            () => WanVaeConfig.Wan21.LatentFrames(frames), Throws.ArgumentException.With.Message.Contains($"got {frames}").And.Message.Contains(nearest));
        if (frames == 0)
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual: false);
        Assert.That(() => vae.Encode(zeros([1, 3, frames, 8, 8])), Throws.ArgumentException.With.Message.Contains(nearest), "where frames are encoded");
    }

    [TestCase(12, 16, "height", "8 or 16")]
    [TestCase(16, 4, "width", "the nearest is 8.")]
    public void OtherSidesAreRefused(int height, int width, string side, string nearest)
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual: true);
        Assert.That(
            () => vae.Encode(zeros([1, 3, 5, height, width])), Throws.ArgumentException.With.Message.Contains(side).And.Message.Contains(nearest));
    }

    [Test]
    public void LatentsOfAnotherShapeAreRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual: false);
        Assert.That(() => vae.Decode(zeros([1, 4, 2, 2, 2])), Throws.ArgumentException.With.Message.Contains("[1, 4, 2, 2, 2]"));
        Assert.That(() => vae.Decode(zeros([1, 3, 2, 2, 2]), 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [TestCase("""{"_class_name": "AutoencoderKL"}""", "AutoencoderKL")]
    [TestCase("""{"attn_scales": [0.5]}""", "attn_scales")]
    [TestCase("""{"temperal_downsample": [true, true]}""", "temperal_downsample")]
    [TestCase("""{"temperal_downsample": [0, 1, 1]}""", "temperal_downsample")]
    [TestCase("""{"dim_mult": []}""", "dim_mult")]
    [TestCase("""{"z_dim": 48}""", "latents_mean")]
    [TestCase("""{"latents_std": [1]}""", "latents_std")]
    [TestCase("""{"latents_std": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]}""", "latents_std")]
    [TestCase("""{"latents_mean": ["0"]}""", "latents_mean")]
    [TestCase("""{"in_channels": 4}""", "in_channels")]
    [TestCase("""{"patch_size": 2}""", "in_channels")]
    [TestCase("""{"patch_size": 2, "in_channels": 12}""", "out_channels")]
    [TestCase("""{"scale_factor_temporal": 8}""", "scale_factor_temporal")]
    [TestCase("""{"scale_factor_spatial": 16}""", "scale_factor_spatial")]
    [TestCase("""{"is_residual": true, "dim_mult": [1, 1, 1, 64], "temperal_downsample": [false, false, false]}""", "dim_mult")]
    [TestCase("""{"is_residual": true, "dim_mult": [1, 1, 8, 8]}""", "decoder_base_dim")]
    [TestCase("""{"is_residual": true, "dim_mult": [1, 12, 4, 4]}""", "dim_mult")]
    [TestCase("""{"is_residual": 1}""", "is_residual")]
    [TestCase("""{"base_dim": 0}""", "base_dim")]
    public void AnotherNetworksConfigIsRefusedByName(string json, string named)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.That(() => WanVaeConfig.FromJson(document.RootElement), Throws.Exception.With.Message.Contains(named));
    }

    [Test]
    public void AnEmptyConfigIsWan21()
    {
        using JsonDocument document = JsonDocument.Parse("{}");
        WanVaeConfig read = WanVaeConfig.FromJson(document.RootElement), published = WanVaeConfig.Wan21;
        Assert.That(read with { Multipliers = published.Multipliers, Halves = published.Halves }, Is.EqualTo(published));
    }

    [Test]
    public void OutsideTheRangeThereIsNoGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual: false);
        using (no_grad())
        {
            vae.get_parameter("decoder.conv_out.bias")!.copy_(tensor(new[] { 9.0, -9.0, 0.0 }));
        }

        Tensor z = WanVaeTiny.Latents(2).requires_grad_(true);
        Tensor pixels = vae.Decode(z);
        Assert.That(pixels.select(1, 0).data<double>().ToArray(), Is.All.EqualTo(1));
        Assert.That(pixels.select(1, 1).data<double>().ToArray(), Is.All.EqualTo(-1));
        Assert.That(Reach(pixels.narrow(1, 0, 2)), Is.Zero);
        Assert.That(Reach(vae.Decode(z)), Is.GreaterThan(0));

        double Reach(Tensor frames) => WanVaeTiny.Gradient(frames, z).abs().max().item<double>();
    }

    [Test]
    public void TheGradientIsTheSlope([Values] bool residual)
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual);
        Tensor z = WanVaeTiny.Latents(3).Mul(0.1).requires_grad_(true);
        Tensor direction = Ramp.Values(9, z.shape).to_type(ScalarType.Float64), weights = Ramp.Values(2, vae.Decode(z).shape).to_type(ScalarType.Float64);
        double Sum(double step) => (vae.Decode(z.detach().Add(direction.Mul(step))) * weights).sum().item<double>();
        double slope = (WanVaeTiny.Gradient(vae.Decode(z), z) * direction).sum().item<double>();
        const double step = 1e-5;
        Assert.That((Sum(step) - Sum(-step)) / (2 * step), Is.EqualTo(slope).Within(1e-4).Percent);
    }

    /// <summary>A pixel of zeros has no direction; the reference's norm leaves it zero.</summary>
    [Test]
    public void PixelsOfZerosHaveFiniteGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        var norm = new Microsoft.ML.VideoAlignment.Layers.ChannelRmsNorm(4, axes: 3, Placement.Cpu);
        Ramp.Fill(norm);
        Tensor x = zeros([1, 4, 2, 2]).requires_grad_(true);
        Tensor y = norm.Forward(x);
        y.sum().backward();
        Assert.That(y.data<float>().ToArray(), Is.All.Zero);
        Assert.That(x.grad!.isfinite().all().item<bool>());
    }

    [Test]
    public void StandardizingIsUndone()
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual: false);
        Tensor z = WanVaeTiny.Latents(2);
        Tensor latents = vae.Standardize(z);
        Assert.That(latents[0, 2, 1, 1, 0].item<double>(), Is.EqualTo((z[0, 2, 1, 1, 0].item<double>() - 0.3) / 2).Within(1e-12));
        Assert.That(WanVaeTiny.Distance(vae.Destandardize(latents), z), Is.LessThan(1e-12));
    }

    [TestCase(12, 12, 8, 8, "MinHeight")]
    [TestCase(16, 16, 24, 8, "StrideHeight")]
    public void TilesThatLeaveGapsAreRefused(int minHeight, int minWidth, int strideHeight, int strideWidth, string named)
    {
        using DisposeScope scope = NewDisposeScope();
        using WanVae vae = WanVaeTiny.Create(residual: true);
        var tiling = new WanVaeTiling { MinHeight = minHeight, MinWidth = minWidth, StrideHeight = strideHeight, StrideWidth = strideWidth };
        Assert.That(() => vae.DecodeTiled(WanVaeTiny.Latents(1), tiling), Throws.ArgumentException.With.Message.Contains(named));
    }

    [Test]
    public void NamesThatAreNeitherFormsStayAsTheyAre()
    {
        Func<string, string?> map = WanVaeKeys.CreateMap(WanVaeConfig.Wan21).MapName;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(map("decoder.upsamples.15.residual.2.weight"), Is.EqualTo("decoder.up_blocks.3.upsamplers.0.conv1.weight"), "the last level has none");
            Assert.That(map("decoder.upsamples.x.residual.2.weight"), Does.StartWith("decoder.up_blocks."));
            Assert.That(map("encoder.down_blocks.0.norm1.gamma"), Is.EqualTo("encoder.down_blocks.0.norm1.gamma"));
            Assert.That(map("model.encoder.conv1.weight"), Is.EqualTo("model.encoder.conv1.weight"));
        }
    }
}
