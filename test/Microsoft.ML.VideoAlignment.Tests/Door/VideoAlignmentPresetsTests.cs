using System.Reflection;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoAlignmentPresetsTests
{
    private static IEnumerable<TestCaseData> Presets() => typeof(VideoAlignmentPresets).GetProperties(BindingFlags.Public | BindingFlags.Static)
        .Select(property => new TestCaseData(property.GetValue(null)).SetName($"{property.Name}IsValid"));

    [TestCaseSource(nameof(Presets))]
    public void IsValid(VideoAlignmentOptions preset) => Assert.That(preset.Validate, Throws.Nothing);

    /// <summary>
    /// The families' untrained models at every number of frames that their publishers trained at, and for each preset the rewards that it is named after.
    /// </summary>
    private static IEnumerable<TestCaseData> Runs()
    {
        VJepaOptions[] consistency = [VJepaOptions.VitLarge16, VJepaOptions.VitHuge16, VJepaOptions.VitHuge16At384];
        RewardContract perFrame = new(), perFrameOfPrompts = new() { ReadsPrompt = true };
        var runs = new List<(string Preset, string Family, int?[] Frames, RewardContract[] Contracts)>
        {
            (nameof(VideoAlignmentPresets.VaderVideoCrafterHpsAesthetic), VideoModelFamily.VideoCrafter, [null, 16], [perFrame, perFrameOfPrompts]),
            (nameof(VideoAlignmentPresets.VaderVideoCrafterPickScore), VideoModelFamily.VideoCrafter, [null, 16], [perFrameOfPrompts]),
            (nameof(VideoAlignmentPresets.VaderVideoCrafterAction), VideoModelFamily.VideoCrafter, [null, 16], [Action()]),
            (nameof(VideoAlignmentPresets.VaderOpenSoraHps), VideoModelFamily.OpenSora, [null, 102], [perFrameOfPrompts]),
            (nameof(VideoAlignmentPresets.VaderModelScopeAesthetic), VideoModelFamily.ModelScope, [null], [perFrame]),
            (nameof(VideoAlignmentPresets.VaderStableVideoAesthetic), VideoModelFamily.StableVideoDiffusion, [14, 25], [perFrame]),
            (nameof(VideoAlignmentPresets.VaderStableVideoConsistency), VideoModelFamily.StableVideoDiffusion, [null, 14, 25],
                [.. consistency.Select(Consistency)]),
        };
        return from run in runs
               from frames in run.Frames
               from contract in run.Contracts.Index()
               select new TestCaseData(run.Preset, run.Family, frames,
                   contract.Item).SetName($"{{m}}({run.Preset}, {frames?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "its "
                       + $"own"} frames, reward {contract.Index + 1})");
    }

    [Test]
    public void EveryPresetIsTried() =>
        Assert.That(Runs().Select(run => run.Arguments[0]).Distinct(),
            Is.EquivalentTo(typeof(VideoAlignmentPresets).GetProperties(BindingFlags.Public | BindingFlags.Static).Select(property => property.Name)));

    /// <summary>What Fit checks before its first step, validation videos included.</summary>
    [TestCaseSource(nameof(Runs))]
    public void APresetCanBeginWithItsModelAndReward(string name, string family, int? frames, RewardContract contract)
    {
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(family);
        using var reward = new FakeReward(contract);
        var preset = (VideoAlignmentOptions)typeof(VideoAlignmentPresets).GetProperty(name)!.GetValue(null)!;
        VideoAlignmentOptions options = preset with
        {
            Frames = frames ?? preset.Frames,
            ImageColumnName = model.Images == ImageUse.Required ? "Image"
            : null
        };
        Assert.That(() => new MLContext(1).Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options), Throws.Nothing);
        int shown = RewardProbe.RequireTrainable(reward, options, model);
        Assert.That(RewardProbe.FitsContract(contract, shown));
        Assert.That(() => RewardContractCheck.Run(reward, CPU, shown, 16, 16), Throws.Nothing);
    }

    /// <summary>The consistency preset through Fit itself, in one step, measurement and all.</summary>
    [Test]
    public void TheConsistencyPresetTrainsAndMeasures()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(VideoModelFamily.StableVideoDiffusion);
        using var reward = new FakeReward(Consistency(VJepaOptions.VitLarge16));
        var context = new MLContext(1);
        IDataView rows = context.Data.LoadFromEnumerable([new ImageRow { Image = [.. Enumerable.Range(0, 3 * 16 * 16).Select(i => i / 768f)] }]);
        VideoAlignmentOptions options = VideoAlignmentPresets.VaderStableVideoConsistency with
        {
            Frames = 14,
            InferenceSteps = 2,
            Steps = 1,
            AccumulationSteps = 1,
            ImageColumnName = "Image",
            HeldOutData = rows,
            LoraRank = 2,
        };
        double? measured = null;
        context.Transforms.AlignVideoDiffusion("Video", null, model, reward,
            options with { Progress = new Told(step => measured = step.ValidationReward) }).Fit(rows);
        Assert.That(measured, Is.Not.Null);
    }

    private static RewardContract Consistency(VJepaOptions options)
    {
        VJepaConfig config = new()
        {
            CropSize = options.CropSize!.Value,
            PatchSize = options.PatchSize!.Value,
            Frames = options.Frames,
            TubeletSize = options.TubeletSize!.Value,

            // What a contract says does not depend on the width and the number of layers.
            Width = 24,
            Depth = 1,
            Heads = 1,
            MlpWidth = 24,
            PredictorWidth = 24,
            PredictorDepth = 1,
            PredictorMlpWidth = 24,
            MaskTokens = 2,
        };
        using var reward = new VJepaReward(new VJepaNetwork(config, Placement.Meta), options, clamp: true, () =>
            throw new NotSupportedException());
        return reward.Contract;
    }

    private static RewardContract Action()
    {
        using VideoReward reward = SmallRewards.Make("action");
        return reward.Contract;
    }

    private sealed class ImageRow
    {
        [Microsoft.ML.Data.VectorType(3, 16, 16)]
        public float[] Image { get; set; } = [];
    }

    private sealed class Told(Action<VideoAlignmentProgress> told) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value) => told(value);
    }

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

    /// <summary>Reward 0.075 a + 0.5 h, maximized, has the gradient of the script's loss (1.5 * 0.1 |a - 10| + |1 - h|) / 2 below its targets.</summary>
    [Test]
    public void TheAestheticHpsRewardHasTheGradientOfTheScriptsLoss()
    {
        using Tensor aesthetic = tensor(new[] { 5.0, 6.5 }).requires_grad_(true);
        using Tensor hps = tensor(new[] { 0.2, 0.3 }).requires_grad_(true);
        ((1.5 * 0.1 * (aesthetic - 10).abs().mean() + (1 - hps).abs().mean()) / 2).backward();
        double[] expected = [.. aesthetic.grad!.data<double>(), .. hps.grad!.data<double>()];
        aesthetic.grad!.zero_();
        hps.grad!.zero_();
        RewardLoss loss = VideoAlignmentPresets.VaderVideoCrafterHpsAesthetic.Loss ?? RewardLoss.Maximize();
        loss.Compute((aesthetic * 0.075) + (hps * 0.5)).backward();
        Assert.That(aesthetic.grad!.data<double>().Concat(hps.grad!.data<double>()), Is.EqualTo(expected).Within(1e-12));
    }
}
