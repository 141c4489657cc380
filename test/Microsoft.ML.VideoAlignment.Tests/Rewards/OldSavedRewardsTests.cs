using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Rewards in zips of versions before 0.2 load as what they were.</summary>
public class OldSavedRewardsTests
{
    private static readonly Dictionary<string, (string Arguments, Func<WeightPrecision, VideoReward> Make)> s_kinds = new()
    {
        ["Aesthetic"] = ("{WEIGHTS}", precision => VideoRewards.Aesthetic(SmallRewards.ClipFolder, SmallRewards.HeadFile, precision)),
        ["Weather"] = ("{WEIGHTS}", precision => VideoRewards.Weather(SmallRewards.ClipFolder, SmallRewards.HeadFile, precision)),
        ["CompressedSize"] = ("{WEIGHTS}", precision => VideoRewards.CompressedSize(SmallRewards.ClipFolder, SmallRewards.HeadFile, precision)),
        ["TextImageSimilarity"] = ("{WEIGHTS}", precision => VideoRewards.TextImageSimilarity(SmallRewards.ClipFolder, precision)),
        ["VideoTextSimilarity"] = ("{WEIGHTS}", precision => VideoRewards.VideoTextSimilarity(SmallRewards.ClipFolder, precision)),
        ["HumanPreferenceV2"] = ("{WEIGHTS}", precision => VideoRewards.HumanPreferenceV2(SmallPreference.File, SmallRewards.ClipFolder, precision)),
        ["PickScore"] = ("{WEIGHTS}", precision => VideoRewards.PickScore(SmallRewards.ClipFolder, precision)),
        ["ObjectRemoval"] =
            ("""{"label": "dog", "threshold": "0", "height": "40", "precision": "PRECISION"}""",
            precision => VideoRewards.ObjectRemoval(SmallRewards.DetectorFolder, "dog", SmallRewards.SmallDetection with { Precision = precision })),
        ["ActionClassification"] =
            ("""{"logProbability": "True", "precision": "PRECISION", "prompt:cake": "jogging", "prompt:no": "abseiling"}""",
            precision => VideoRewards.ActionClassification(SmallRewards.ClassifierFolder, new ActionClassificationOptions
            {
                LogProbability = true,
                Precision = precision,
                Prompts = new Dictionary<string, string> { ["cake"] = "jogging", ["no"] = "abseiling" },
            })),
    };

    private static IEnumerable<string> Kinds => s_kinds.Keys;

    [TestCaseSource(nameof(Kinds))]
    public void ItLoadsAsWhatItWas(string kind)
    {
        (string arguments, Func<WeightPrecision, VideoReward> make) = s_kinds[kind];
        foreach ((WeightPrecision precision, string[] names) in new[]
        {
            (WeightPrecision.Float32, new[] { "Full", "Float32" }), (WeightPrecision.BFloat16, ["BrainHalf", "BFloat16"]),
            (WeightPrecision.Float16, ["Half", "Float16"]),
        })
        {
            using VideoReward reward = make(precision);
            foreach (string name in names)
            {
                // Rewards of files alone told the type of the tensors, and only where it was not float32.
                string weights = precision == WeightPrecision.Float32 ? "{}" : $$"""{"weights": "{{precision}}"}""";
                string written = arguments.Replace("{WEIGHTS}", weights, StringComparison.Ordinal).Replace("PRECISION", name, StringComparison.Ordinal);
                string json = OldSavedRewards.OfFiles(kind, written, reward.Reference.Files);
                using VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(json));
                Assert.That(again.Reference.ToJson(), Is.EqualTo(reward.Reference.ToJson()), name);
            }
        }
    }

    [Test]
    public void AVJepaRewardKeepsItsOptions()
    {
        string file = Path.Combine(TestContext.CurrentContext.TestDirectory, "Conformance", "Cases", "S13-rewards", "vjepa-basic", "vjepa.pth.tar");
        var options = new VJepaOptions { Frames = 4, Heads = 3, Seed = 7, Precision = WeightPrecision.Float16 };
        using VideoReward reward = VideoRewards.TemporalConsistency(file, options);
        string old = options.ToJson().Replace("Float16", "Half", StringComparison.Ordinal);
        string arguments = "{\"options\": " + System.Text.Json.JsonSerializer.Serialize(old) + "}";
        string json = OldSavedRewards.OfFiles("TemporalConsistency", arguments, reward.Reference.Files);
        using VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(json));
        Assert.That(again.Reference.ToJson(), Is.EqualTo(reward.Reference.ToJson()));
    }

    [Test]
    public void ATorchScriptRewardKeepsItsContract()
    {
        using var folder = new TemporaryFolder();
        var written = new RewardContract { MinimumFrames = 2, WorkingSize = (8, 8) };
        using VideoReward reward = VideoRewards.TorchScript(TorchScriptRewardTests.Write(folder), written);
        string contract = System.Text.Json.JsonSerializer.Serialize(Rewards.Custom.ContractJson.Write(reward.Contract));
        string json = OldSavedRewards.OfFiles("TorchScript", "{\"contract\": " + contract + "}", reward.Reference.Files);
        using VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(json));
        Assert.That(again.Contract, Is.EqualTo(reward.Contract));
    }

    [Test]
    public void ASumKeepsItsMoments()
    {
        using VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(OldSavedRewards.Mix));
        Assert.That(again.Reference.PartMoments, Is.EqualTo(new[] { "3 0.5 0.25", "2 1 0" }));
        Assert.That(again.Name, Does.StartWith("normalized (1.5 * true rating"));
    }

    [Test]
    public void AnEmbeddedRewardIsTheSameOrRefused()
    {
        using VideoReward removal = MovingShapesRewards.ObjectRemoval("circle", new ObjectRemovalOptions { Threshold = 0.35 });
        string json = OldSavedRewards.ObjectRemoval.Replace("HASH", removal.Reference.ContentHash, StringComparison.Ordinal);
        using VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(json));
        Assert.That(again.Reference.ToJson(), Is.EqualTo(removal.Reference.ToJson()));
        Assert.That(
            () => CompanionPackages.MakeReward(RewardReference.FromJson(OldSavedRewards.ObjectRemoval)),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("another version"));
    }

    [TestCase("""{"label": "dog", "threshold": "x", "height": "40", "precision": "Full"}""", "threshold")]
    [TestCase("""{"label": "dog", "threshold": "NaN", "height": "40", "precision": "Full"}""", "threshold")]
    [TestCase("""{"label": "dog", "threshold": "0", "height": "40", "precision": "Quarter"}""", "precision")]
    [TestCase("""{"threshold": "0", "height": "40", "precision": "Full"}""", "label")]
    public void AnArgumentThatCannotBeReadIsNamed(string arguments, string name)
    {
        string json = OldSavedRewards.OfFiles("ObjectRemoval", arguments, new Dictionary<string, FileReference>());
        Assert.That(() => CompanionPackages.MakeReward(RewardReference.FromJson(json)), Throws.TypeOf<InvalidDataException>().With.Message.Contains(name));
    }
}
