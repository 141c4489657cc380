using System.Reflection;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoAlignmentPresetsTests
{
    private static IEnumerable<TestCaseData> Presets() => typeof(VideoAlignmentPresets).GetProperties(BindingFlags.Public | BindingFlags.Static)
        .Select(property => new TestCaseData(property.GetValue(null)).SetName($"{property.Name}IsValid"));

    [TestCaseSource(nameof(Presets))]
    public void IsValid(VideoAlignmentOptions preset) => Assert.That(preset.Validate, Throws.Nothing);

    [Test]
    public void RewardQueriesAreThoseOfTheScripts()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Queries(VideoAlignmentPresets.VaderVideoCrafterHpsAesthetic), Is.EqualTo(450 * 8));
            Assert.That(Queries(VideoAlignmentPresets.VaderOpenSoraHps), Is.EqualTo(800 * 8));
        }

        static int Queries(VideoAlignmentOptions options) => options.Steps * options.AccumulationSteps * options.BatchSize;
    }

    /// <summary>Reward 0.075 a + 0.5 h, maximised, has the gradient of the script's loss (1.5 * 0.1 |a - 10| + |1 - h|) / 2 below its targets.</summary>
    [Test]
    public void TheAestheticHpsRewardHasTheGradientOfTheScriptsLoss()
    {
        using Tensor aesthetic = tensor(new[] { 5.0, 6.5 }).requires_grad_(true);
        using Tensor hps = tensor(new[] { 0.2, 0.3 }).requires_grad_(true);
        ((1.5 * 0.1 * (aesthetic - 10).abs().mean() + (1 - hps).abs().mean()) / 2).backward();
        double[] expected = [.. aesthetic.grad!.data<double>(), .. hps.grad!.data<double>()];
        aesthetic.grad!.zero_();
        hps.grad!.zero_();
        RewardLoss loss = VideoAlignmentPresets.VaderVideoCrafterHpsAesthetic.Loss ?? RewardLoss.Maximise();
        loss.Of((aesthetic * 0.075) + (hps * 0.5)).backward();
        Assert.That(aesthetic.grad!.data<double>().Concat(hps.grad!.data<double>()), Is.EqualTo(expected).Within(1e-12));
    }
}
