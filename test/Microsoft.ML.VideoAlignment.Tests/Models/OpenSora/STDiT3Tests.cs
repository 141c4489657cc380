using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class STDiT3Tests
{
    private static readonly STDiT3Config s_tiny = new() { HiddenSize = 16, Depth = 1, Heads = 2, CaptionChannels = 6, MaxTokens = 5 };

    [TestCase(1, 1, 1, 1)]
    [TestCase(2, 3, 5, 7)]
    [TestCase(1, 2, 8, 4)]
    public void AnySizeGoesThroughAndLeavesOneTensor(int batch, int frames, int height, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using STDiT3 network = Ramp.Fill(new STDiT3(s_tiny, Placement.Cpu));
        Tensor x = Ramp.Values(1, batch, 4, frames, height, width), text = Ramp.Values(2, batch, 5, 6), time = tensor([500f]), fps = tensor([24f]);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Tensor y = network.Forward(x, time, text, textMask: null, frameMask: null, fps, 8 * height, 8 * width);
        Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount, Is.EqualTo(before + 1));
        Assert.That(y.shape, Is.EqualTo(new long[] { batch, 8, frames, height, width }));
        Assert.That(y.isfinite().all().item<bool>());
    }

    [Test]
    public void OneTimeForAllEqualsTheSameTimeForEach()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using STDiT3 network = Ramp.Fill(new STDiT3(s_tiny, Placement.Cpu));
        Tensor once = Run(network, tensor([300f])), each = Run(network, tensor([300f, 300f])), other = Run(network, tensor([300f, 900f]));
        Assert.That(Distance(once, each), Is.LessThan(1e-5));
        Assert.That(Distance(once[0], other[0]), Is.LessThan(1e-5));
        Assert.That(Distance(once[1], other[1]), Is.GreaterThan(1e-3));
    }

    [Test]
    public void AFrameMaskOfOnesEqualsNone()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using STDiT3 network = Ramp.Fill(new STDiT3(s_tiny, Placement.Cpu));
        Tensor none = Run(network, tensor([300f])), all = Run(network, tensor([300f]), frameMask: ones([2, 3], dtype: ScalarType.Int64));
        Tensor one = Run(network, tensor([300f]), frameMask: tensor(new long[,] { { 1, 1, 1 }, { 1, 0, 1 } }));
        Assert.That(Distance(none, all), Is.LessThan(1e-5));
        Assert.That(Distance(none[1], one[1]), Is.GreaterThan(1e-3));
    }

    [Test]
    public void PaddingOfTheTextTakesNoPart()
    {
        using DisposeScope scope = NewDisposeScope();
        using STDiT3 network = Ramp.Fill(new STDiT3(s_tiny, Placement.Cpu));
        Tensor mask = tensor(new long[,] { { 1, 1, 0, 0, 0 }, { 1, 1, 1, 1, 0 } });
        Tensor text = Ramp.Values(2, 2, 5, 6).requires_grad_(true);
        Tensor y = Run(network, tensor([300f]), text, mask);
        y.square().sum().backward();
        Tensor reach = text.grad!.abs().sum(-1);
        Assert.That(reach.gt(0).equal(mask.ne(0)).all().item<bool>(), "gradient on the tokens that count, and on no other");
        using IDisposable guard = no_grad();
        Tensor changed = where(mask.unsqueeze(-1).ne(0), text, full_like(text, 1e3));
        Assert.That(Distance(y.detach(), Run(network, tensor([300f]), changed, mask)), Is.LessThan(1e-6));
    }

    [Test]
    public void GradientReachesEveryAdapterAndNothingElse()
    {
        using DisposeScope scope = NewDisposeScope();
        using STDiT3 network = Ramp.Fill(new STDiT3(s_tiny, Placement.Cpu));
        var adapters = new List<LowRankAdapter>();
        foreach (IAdaptable layer in network.modules().OfType<IAdaptable>())
        {
            long[] kernel = layer.Weight.shape[2..];
            Tensor down = Ramp.Values(adapters.Count, [2, layer.Weight.shape[1], .. kernel]);
            Tensor up = Ramp.Values(adapters.Count + 7, [layer.Weight.shape[0], 2, .. kernel.Select(_ => 1L)]);
            adapters.Add(new LowRankAdapter(nn.Parameter(down.clone()), nn.Parameter(up.clone()), 0.1));
            layer.Slot.Adapter = adapters[^1];
        }

        Run(network, tensor([300f])).square().sum().backward();
        Assert.That(adapters, Has.Count.EqualTo(1 + 2 + 2 + 1 + 2 + (2 * 7) + 1), "patches, times, t_block, text, seven a block, the last layer");
        foreach (LowRankAdapter adapter in adapters)
        {
            Assert.That(adapter.Down.grad!.abs().sum().item<float>(), Is.GreaterThan(0));
            Assert.That(adapter.Up.grad!.abs().sum().item<float>(), Is.GreaterThan(0));
        }

        Assert.That(network.parameters().Select(parameter => parameter.grad), Is.All.Null);
    }

    [Test]
    public void TheFullSizeNetworkHasThePublishedNumberOfParameters()
    {
        using var network = new STDiT3(new STDiT3Config(), Placement.Meta);
        Assert.That(network.parameters().Sum(parameter => parameter.numel()), Is.EqualTo(1_207_643_936 + 36)); // STDiT3-XL/2 and its rotary frequencies
    }

    [TestCase("""{"model_type": "STDiT2"}""", "STDiT2")]
    [TestCase("""{"skip_y_embedder": true}""", "skip_y_embedder")]
    [TestCase("""{"patch_size": [1, 2]}""", "patch_size")]
    [TestCase("""{"patch_size": [1, 0, 2]}""", "patch_size")]
    [TestCase("""{"num_heads": 7}""", "num_heads")]
    [TestCase("""{"hidden_size": 1152, "num_heads": 128}""", "num_heads")]
    [TestCase("""{"depth": 0}""", "depth")]
    [TestCase("""{"input_sq_size": 0}""", "input_sq_size")]
    [TestCase("""{"mlp_ratio": "four"}""", "mlp_ratio")]
    public void AnotherNetworksConfigIsRefusedByName(string json, string named)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.That(() => STDiT3Config.FromJson(document.RootElement), Throws.Exception.With.Message.Contains(named));
    }

    [Test]
    public void AWrongShapeIsRefusedWithBothShapes()
    {
        using DisposeScope scope = NewDisposeScope();
        using STDiT3 network = Ramp.Fill(new STDiT3(s_tiny, Placement.Cpu));
        Assert.That(
            () => network.Forward(zeros([1, 3, 2, 4, 4]), tensor([1f]), zeros(1, 5, 6), null, null, tensor([24f]), 32, 32),
            Throws.ArgumentException.With.Message.Contains("B, 4, T, h, w").And.Message.Contains("[1, 3, 2, 4, 4]"));
    }

    private static Tensor Run(STDiT3 network, Tensor timestep, Tensor? text = null, Tensor? textMask = null, Tensor? frameMask = null) =>
        network.Forward(Ramp.Values(1, 2, 4, 3, 4, 6), timestep, text ?? Ramp.Values(2, 2, 5, 6), textMask, frameMask, tensor([24f]), 32, 48);

    private static double Distance(Tensor a, Tensor b) => ((a - b).abs().max() / b.abs().max()).item<float>();
}
