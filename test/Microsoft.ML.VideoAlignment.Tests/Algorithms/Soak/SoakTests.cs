using Microsoft.ML.VideoAlignment.Benchmarks;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// A short soak: what a step leaks shows after sixty. A thousand steps on the embedded model, and the process's memory, are benchmarks --soak.
/// </summary>
[NonParallelizable]
public class SoakTests
{
    [Test]
    public void SixtyStepsLeaveNothingBehind([ValueSource(nameof(Algorithms))] string algorithm)
    {
        string folder = Directory.CreateTempSubdirectory("soak-").FullName;
        try
        {
            VideoAlignmentOptions options = DoorRig.ThreeSteps with { Algorithm = SoakRun.Algorithms[algorithm], Steps = 60, InferenceSteps = 3 };
            SoakReport report = SoakRun.Run(() => new TinyVideoModel(), () => new FakeReward(), options, every: 3, folder);
            Assert.That(report.Readings, Has.Count.EqualTo(20));
            Assert.That(report.Faults(memory: false), Is.Empty);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestCase(100, 100, 1000, 1000, false, "")]
    [TestCase(100, 101, 1000, 1000, false, "live tensors grow from 100 to 101")]
    [TestCase(101, 100, 1000, 1019, false, "")]
    [TestCase(100, 100, 1000, 1021, false, "resident memory grows by 2.1 %")]
    [TestCase(100, 100, 1000, 900, true, "left in the temporary folder: model")]
    public void GrowthAndLeftoversAreFaults(long tensorsEarly, long tensorsLate, long residentEarly, long residentLate, bool file, string expected)
    {
        // Four windows of ten readings; what the first and the third hold does not matter.
        SoakReading[] readings =
        [
            .. Enumerable.Range(0, 40).Select(at => (at / 10) switch
            {
                1 => new SoakReading(at, tensorsEarly, 5, 0, residentEarly),
                3 => new SoakReading(at, tensorsLate, 5, 0, residentLate),
                _ => new SoakReading(at, 1, 1, 0, 1),
            }),
        ];
        string[] faults = [.. new SoakReport(readings, file ? ["model"] : []).Faults(memory: true)];
        Assert.That(faults, expected.Length == 0 ? Is.Empty : Has.One.StartsWith(expected));
    }

    private static IEnumerable<string> Algorithms() => SoakRun.Algorithms.Keys;
}
