using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The host reads tensors in one place, where reads are counted. Read from the sources.</summary>
public partial class HostReadRulesTests
{
    private const string Sources = "src/";

    /// <summary>The counted place, and readers of files, tokens, draws, schedules and finished images, whose tensors are in the CPU's memory.</summary>
    private static readonly string[] s_places =
    [
        "Microsoft.ML.VideoAlignment.Media/VideoClip.cs",
        "Microsoft.ML.VideoAlignment/Algorithms/RewardGradient/StepSensitivity.cs",
        "Microsoft.ML.VideoAlignment/Encoders/Tokenizers/TokenBatch.cs",
        "Microsoft.ML.VideoAlignment/Models/VideoCrafter/VideoCrafterScheduleBuffers.cs",
        "Microsoft.ML.VideoAlignment/Rewards/VJepa/MultiBlockMasks.cs",
        "Microsoft.ML.VideoAlignment/Runs/GatheredTensors.cs",
        "Microsoft.ML.VideoAlignment/Runs/StateReader.cs",
        "Microsoft.ML.VideoAlignment/Tensors/HostRead.cs",
        "Microsoft.ML.VideoAlignment/VideoImages.cs",
        "Microsoft.ML.VideoAlignment/Weights/TensorSlices.cs",
    ];

    [GeneratedRegex(@"\.\s*(item|data|ReadCpuValue|ReadCpuSpan|GetItem)\s*<|\.\s*(cpu|item|ToScalar|tolist|allclose)\s*\(|\bclip_grad_norm_\b")]
    private static partial Regex Read();

    [GeneratedRegex(@"(?<![\w.])tensor\s*\([^;]*\bdevice\s*:")]
    private static partial Regex WaitingUpload();

    [Test]
    public void TheHostReadsInOnePlace()
    {
        string[] files = [.. Matching(Sources, Read())];
        Assert.That(files, Is.EquivalentTo(s_places), "read through HostRead, or the host waits for the device where nobody sees it");
    }

    /// <summary>TorchSharp copies such a table to the device and waits for it.</summary>
    [TestCase("Schedulers")]
    [TestCase("Sampling")]
    [TestCase("Models")]
    [TestCase("Rewards")]
    [TestCase("Algorithms")]
    [TestCase("Encoders")]
    [TestCase("Video")]
    public void TablesGoToTheDeviceWithoutWaiting(string room) =>
        Assert.That(Matching($"{Sources}Microsoft.ML.VideoAlignment/{room}", WaitingUpload()), Is.Empty, "use DeviceTable or ScalarOps.Full");

    [TestCase("x.item<float>()", true)]
    [TestCase("x.cpu().clone()", true)]
    [TestCase("x.data<bool>().ToArray()", true)]
    [TestCase("x.ToScalar().ToDouble()", true)]
    [TestCase("nn.utils.clip_grad_norm_(p, 1)", true)]
    [TestCase("// x.item<float>()", false)]
    [TestCase("HostRead.Number(x)", false)]
    [TestCase("file.Data<float>()", false)]
    public void AReadIsSeen(string line, bool found) => Assert.That(Read().IsMatch(CSharpTokens.Code(line)), Is.EqualTo(found));

    [TestCase("tensor(values, device: x.device)", true)]
    [TestCase("tensor(values, dtype: x.dtype, device: x.device)", true)]
    [TestCase("tensor(values)", false)]
    [TestCase("DeviceTable.Create(values, x.device)", false)]
    public void AnUploadIsSeen(string line, bool found) => Assert.That(WaitingUpload().IsMatch(CSharpTokens.Code(line)), Is.EqualTo(found));

    private static IEnumerable<string> Matching(string folder, Regex pattern) =>
        Repository.Files(folder, "*.cs").Where(path => pattern.IsMatch(CSharpTokens.Code(Repository.Read(path)))).Select(path => path[Sources.Length..]);
}
