using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The rule of torch.amp.GradScaler with its defaults: from 65536, doubled after 2000 good steps in a row, halved after one that overflowed.</summary>
public class LossScalerTests
{
    private static readonly RunPrecision s_half = RunPrecision.Float32 with { Denoiser = ComputePrecision.Float16 };

    [Test]
    public void ItGrowsAfterTwoThousandGoodSteps()
    {
        var scaler = new LossScaler(s_half);
        Assert.That(scaler.Scale, Is.EqualTo(65536));
        Assert.That(AfterUpdates(scaler, 1999), Is.EqualTo(65536));
        Assert.That(AfterUpdates(scaler, 1), Is.EqualTo(131072));
        Assert.That(AfterUpdates(scaler, 1999), Is.EqualTo(131072));
        Assert.That(AfterUpdates(scaler, 1), Is.EqualTo(262144));
    }

    [Test]
    public void ItBacksOffAtEachOverflowAndCountsAnew()
    {
        var scaler = new LossScaler(s_half);
        AfterUpdates(scaler, 1999);
        scaler.RecordOverflow();
        Assert.That(scaler.Scale, Is.EqualTo(32768));
        Assert.That(AfterUpdates(scaler, 1999), Is.EqualTo(32768), "the good steps before the overflow do not count");
        Assert.That(AfterUpdates(scaler, 1), Is.EqualTo(65536));
        for (int overflow = 1; overflow <= 16; overflow++)
        {
            scaler.RecordOverflow();
        }

        Assert.That((scaler.Scale, scaler.IsExhausted), Is.EqualTo((1.0, false)));
        scaler.RecordOverflow();
        Assert.That(scaler.IsExhausted);
    }

    [Test]
    public void ItDoesNotGrowBeyondFloat32()
    {
        var scaler = new LossScaler(s_half);
        scaler.Load(State(Math.Pow(2, 127), 1999));
        Assert.That(AfterUpdates(scaler, 1), Is.EqualTo(Math.Pow(2, 127)));
    }

    [TestCase(ComputePrecision.Float32)]
    [TestCase(ComputePrecision.BFloat16)]
    public void WithoutFloat16ItIsAlwaysOne(ComputePrecision precision)
    {
        var scaler = new LossScaler(new RunPrecision(precision, precision, precision));
        Assert.That(scaler.IsActive, Is.False);
        Assert.That(AfterUpdates(scaler, 2000), Is.EqualTo(1));
    }

    [Test]
    public void AnyPartInFloat16IsEnough()
    {
        foreach (NetworkRole role in Enum.GetValues<NetworkRole>())
        {
            ComputePrecision For(NetworkRole each) => each == role ? ComputePrecision.Float16 : ComputePrecision.BFloat16;
            var scaler = new LossScaler(new RunPrecision(For(NetworkRole.Denoiser), For(NetworkRole.Decoder), For(NetworkRole.Reward)));
            Assert.That(scaler.IsActive, $"{role}");
            Assert.That(scaler.ExplainsScores, Is.EqualTo(role == NetworkRole.Reward), $"{role}");
        }
    }

    [TestCase(1f, true)]
    [TestCase(float.NaN, false)]
    [TestCase(float.PositiveInfinity, false)]
    [TestCase(float.NegativeInfinity, false)]
    public void GradientsAreDividedAndNumbersThatAreNotFiniteFound(float last, bool finite)
    {
        using DisposeScope scope = NewDisposeScope();
        var scaler = new LossScaler(s_half);
        scaler.RecordOverflow();
        Parameter[] factors = [new(zeros(2)), new(zeros(3)), new(zeros(1))];
        factors[0].grad = tensor([32768f, -1f]);
        factors[2].grad = tensor([last]);
        Assert.That(scaler.Unscale(factors), Is.EqualTo(finite));
        Assert.That(factors[0].grad!.data<float>().ToArray(), Is.EqualTo(new[] { 1f, -1f / 32768 }));
        Assert.That(factors[1].grad, Is.Null, "what had none has none");
    }

    [Test]
    public void ScaleAndCountAreResumed()
    {
        using var folder = new TemporaryFolder();
        var saved = new LossScaler(s_half);
        saved.RecordOverflow();
        AfterUpdates(saved, 1998);
        using var writer = new StateWriter();
        saved.Save(writer.AddSection("lossScale"));
        RunState.Write(folder.Path("state"), new string('0', 32), step: 1, seed: 1, new RunFingerprint([]), writer);

        using RunState state = RunState.Open(folder.Path("state"));
        var resumed = new LossScaler(s_half);
        resumed.Load(state.Content.OpenSection("lossScale"));
        Assert.That(resumed.Scale, Is.EqualTo(32768));
        Assert.That(AfterUpdates(resumed, 1), Is.EqualTo(32768));
        Assert.That(AfterUpdates(resumed, 1), Is.EqualTo(65536));
    }

    [Test]
    public void ARunThatHadNoScaleBeginsWithTheFirst()
    {
        using var none = new MemoryWeights();
        var scaler = new LossScaler(s_half);
        scaler.Load(new StateReader([], none));
        Assert.That(scaler.Scale, Is.EqualTo(65536));
    }

    [TestCase(0.0, 0)]
    [TestCase(0.5, 0)]
    [TestCase(-2.0, 0)]
    [TestCase(3.0, 0)]
    [TestCase(double.NaN, 0)]
    [TestCase(double.PositiveInfinity, 0)]
    [TestCase(1.0715086071862673e301, 0)]
    [TestCase(2.0, 2000)]
    [TestCase(2.0, -1)]
    public void AStateThatNoRunWroteIsRefused(double scale, int goodSteps) =>
        Assert.That(() => new LossScaler(s_half).Load(State(scale, goodSteps)), Throws.TypeOf<RunFolderException>());

    private static StateReader State(double scale, int goodSteps) =>
        new(new JsonObject { ["scale"] = StateNumber.ToText(scale), ["goodSteps"] = JsonNode.Parse($"{goodSteps}") }, new MemoryWeights());

    private static double AfterUpdates(LossScaler scaler, int count)
    {
        for (int update = 0; update < count; update++)
        {
            scaler.RecordUpdate();
        }

        return scaler.Scale;
    }
}
