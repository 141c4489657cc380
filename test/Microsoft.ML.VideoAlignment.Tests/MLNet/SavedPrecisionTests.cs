using System.Text;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The precision of a run in its saved transformer, as a file gives it and as a device can keep it.</summary>
public class SavedPrecisionTests
{
    private static readonly RunPrecision s_half = new(ComputePrecision.BFloat16, ComputePrecision.Float32, ComputePrecision.BFloat16);

    [TestCase("9.0", true)]
    [TestCase("8.0", true)]
    [TestCase(null, true)]
    [TestCase("7.5", false)]
    public void AGpuKeepsBFloat16UnlessItLacksIt(string? capability, bool kept)
    {
        var device = new FakeDevice(capability);
        foreach (DeviceType from in new[] { DeviceType.CPU, DeviceType.CUDA })
        {
            var saved = SavedPrecision.Create(s_half, from);
            Assert.That(saved.ResolveOn(device), Is.EqualTo(kept ? s_half : RunPrecision.Float32));
            Assert.That(saved.ExplainChange(device) is null, Is.EqualTo(kept));
        }
    }

    [Test]
    public void AnyGpuKeepsFloat16()
    {
        var half = new RunPrecision(ComputePrecision.Float16, ComputePrecision.Float16, ComputePrecision.Float16);
        Assert.That(SavedPrecision.Create(half, DeviceType.CUDA).ResolveOn(new FakeDevice("7.0")), Is.EqualTo(half));
    }

    /// <summary>On a CPU half precision is hundreds of times slower: only who has trained there in it has chosen it.</summary>
    [Test]
    public void TheCpuKeepsWhatWasTrainedOnACpu()
    {
        var cpu = new UnknownDevice(DeviceType.CPU);
        SavedPrecision here = SavedPrecision.Create(s_half, DeviceType.CPU), gpu = SavedPrecision.Create(s_half, DeviceType.CUDA);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((here.ResolveOn(cpu), here.ExplainChange(cpu)), Is.EqualTo((s_half, (string?)null)));
            Assert.That(gpu.ResolveOn(cpu), Is.EqualTo(RunPrecision.Float32));
            Assert.That(gpu.ExplainChange(cpu), Is.EqualTo(
                "The alignment was trained in BFloat16, decoder Float32 on a GPU; on the CPU its videos are computed in Float32."));
            Assert.That(SavedPrecision.Create(RunPrecision.Float32, DeviceType.CUDA).ExplainChange(cpu), Is.Null);
        }
    }

    [Test]
    public void ItComesBackAsItWasWritten()
    {
        var saved = SavedPrecision.Create(s_half, DeviceType.CUDA);
        AlignmentManifest manifest = AlignmentManifest.Parse(Settings("")) with { Precision = saved };
        string text = Encoding.UTF8.GetString(manifest.ToJson());
        Assert.That(AlignmentManifest.Parse(manifest.ToJson()).Precision, Is.EqualTo(saved));
        Assert.That(text, Does.Contain("\"denoiser\": \"BFloat16\"").And.Contain("\"decoder\": \"Float32\"").And.Contain("\"device\": \"cuda\""));
    }

    [Test]
    public void AnOlderFileHasNone() => Assert.That(AlignmentManifest.Parse(Settings("")).Precision, Is.Null);

    [TestCase("\"BFloat16\"", "precision")]
    [TestCase("{}", "denoiser")]
    [TestCase("{ \"denoiser\": \"Float32\", \"decoder\": \"Float32\", \"device\": \"cpu\" }", "reward")]
    [TestCase("{ \"denoiser\": \"Float8\", \"decoder\": \"Float32\", \"reward\": \"Float32\", \"device\": \"cpu\" }", "denoiser")]
    [TestCase("{ \"denoiser\": null, \"decoder\": \"Float32\", \"reward\": \"Float32\", \"device\": \"cpu\" }", "denoiser")]
    [TestCase("{ \"denoiser\": 7, \"decoder\": \"Float32\", \"reward\": \"Float32\", \"device\": \"cpu\" }",
        "the precision 7 is not one of Float32, BFloat16, Float16")]
    [TestCase("{ \"denoiser\": \"Float32\", \"decoder\": -1, \"reward\": \"Float32\", \"device\": \"cpu\" }", "the precision -1 is not one of")]
    [TestCase("{ \"denoiser\": \"Float32\", \"decoder\": \"Float32\", \"reward\": 3, \"device\": \"cpu\" }", "the precision 3 is not one of")]
    [TestCase("{ \"denoiser\": \"Float32\", \"decoder\": \"Float32\", \"reward\": \"Float32\", \"device\": \"tpu\" }", "must be 'cpu' or 'cuda', got 'tpu'")]
    [TestCase("{ \"denoiser\": \"Float32\", \"decoder\": \"Float32\", \"reward\": \"Float32\", \"device\": null }", "device")]
    public void ValuesThatAreNoneAreRefused(string precision, string said) => Assert.That(
        () => AlignmentManifest.Parse(Settings($"\"precision\": {precision},")), Throws.TypeOf<FormatException>().With.Message.Contains(said).IgnoreCase);

    private static byte[] Settings(string precision) => Encoding.UTF8.GetBytes($$"""
        { "version": 1, "outputColumn": "Video", "baseModel": { "family": "F", "source": "S", "hash": "00" }, "seed": 1, "training": {}, {{precision}}
          "sampling": { "size": { "frames": 2, "height": 16, "width": 16 }, "steps": 2, "guidanceScale": 1 } }
        """);
}
