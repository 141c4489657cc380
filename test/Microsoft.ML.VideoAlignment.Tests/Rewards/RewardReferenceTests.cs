using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

public class RewardReferenceTests
{
    private string _folder = "";
    private string _head = "";

    [SetUp]
    public void CopyTheHead()
    {
        _folder = Directory.CreateTempSubdirectory("reward-reference-").FullName;
        _head = Path.Combine(_folder, "head.pth");
        File.Copy(SmallRewards.HeadFile, _head);
    }

    [TearDown]
    public void DeleteTheFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void ASumComesBackFromItsText()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward mix = Mix();
        using VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(mix.Reference.ToJson()));
        Tensor frames = SmallRewards.Frames(2, 3, 2, 32, 32);
        Assert.That(again.Name, Is.EqualTo(mix.Name));
        Assert.That(again.Contract, Is.EqualTo(mix.Contract));
        Assert.That(again.Score(frames, SmallRewards.Prompts).Equals(mix.Score(frames, SmallRewards.Prompts)));
    }

    [Test]
    public void MissingFilesAreAllNamed()
    {
        using VideoReward mix = Mix();
        RewardReference reference = mix.Reference;
        File.Delete(_head);
        Assert.That(() => CompanionPackages.MakeReward(reference),
            Throws.TypeOf<FileNotFoundException>().With.Message.Contains("Aesthetic head").And.Message.Contains(_head));
    }

    [Test]
    public void AMovedFileIsFoundWhereTheCallerSaysItIs()
    {
        using VideoReward mix = Mix();
        RewardReference reference = mix.Reference;
        string place = Path.Combine(_folder, "elsewhere.pth");
        File.Move(_head, place);
        using VideoReward again = CompanionPackages.MakeReward(reference, new Dictionary<string, string> { [_head] = place });
        Assert.That(again.Name, Is.EqualTo(mix.Name));
    }

    [Test]
    public void AChangedFileIsNamed()
    {
        using VideoReward mix = Mix();
        RewardReference reference = mix.Reference;
        File.AppendAllText(_head, "x");
        Assert.That(() => CompanionPackages.MakeReward(reference),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("Aesthetic head").And.Message.Contains(_head));
    }

    [Test]
    public void AFunctionCannotBeSavedAndSaysSo()
    {
        using VideoReward mine = VideoRewards.Custom("my taste", (frames, _) => frames.mean([1, 2, 3, 4]));
        using VideoReward mix = MovingShapesRewards.TrueRating() + mine;
        Assert.That(() => mix.Reference, Throws.TypeOf<NotSupportedException>().With.Message.Contains("'my taste'").And.Message.Contains("after loading"));
    }

    [TestCase("{}")]
    [TestCase("not json")]
    public void AnotherTextIsRefused(string json) => Assert.That(() => RewardReference.FromJson(json), Throws.TypeOf<InvalidDataException>());

    [Test]
    public void AKindOfANewerLibraryIsNamed() =>
        Assert.That(() => CompanionPackages.MakeReward(new RewardReference { Kind = "Telepathy" }),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("Telepathy"));

    private VideoReward Mix() =>
        (VideoRewards.Aesthetic(SmallRewards.ClipFolder, _head) * 0.5f) + VideoRewards.TextImageSimilarity(SmallRewards.ClipFolder)
            + MovingShapesRewards.TrueRating();
}
