using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.MovingShapes;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What saved files may name of other packages, with the package and without.</summary>
public class CompanionPackagesTests
{
    /// <summary>As they stand in files that were saved by all versions.</summary>
    [TestCase("MovingShapes")]
    [TestCase("MovingShapesImageToVideo")]
    public void ModelsAreOpenedByTheirNames(string name)
    {
        Assert.That(CompanionPackages.HasModel(name));
        using VideoDiffusionModel model = ModelResolver.OpenSource(name, new VideoModelOptions());
        Assert.That((model.Source, model.ComesWithPackage), Is.EqualTo((name, true)));
    }

    /// <summary>Without kind, as version 0.1 wrote it; a folder of that name in the working directory is not looked at.</summary>
    [Test]
    public void AFileWithoutAKindNamesAPackagesModel()
    {
        string hash;
        using (VideoDiffusionModel model = MovingShapesModels.TextToVideo())
        {
            hash = model.Hash;
        }

        (VideoDiffusionModel found, bool owned) = new ModelResolver(ModelResolver.OpenSource).Find(new VideoModelReference("ModelScope", "MovingShapes", hash));
        using (found)
        {
            Assert.That((owned, found.ComesWithPackage), Is.EqualTo((true, true)));
        }
    }

    [Test]
    public void AFolderOfTheSameNameIsNotThePackages()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(MovingShapesFiles.Find("text-to-video"));
        Assert.That(VideoModelReference.Create(model).Kind, Is.EqualTo(VideoModelSourceKind.Path));
        Assert.That(model.DefaultSampling, Is.EqualTo(new Sampling.SamplingDefaults(20, 1.5)), "the folder says what it was trained for");
    }

    [Test]
    public void AMissingPackageIsNamedWithTheCommandThatAddsIt()
    {
        int searches = 0;
        var slot = new CompanionPackageSlot("A.Package", ["model"], "Kind", "APackage.Register()", () =>
        {
            searches++;
            return null;
        });
        Assert.That(() => slot.Require("the model 'model'"), Throws.InvalidOperationException.With.Message.Contains("the model 'model'")
            .And.Message.Contains("dotnet add package A.Package").And.Message.Contains("APackage.Register()"));

        slot.Content = new MovingShapesContent();
        Assert.That(slot.Require("x"), Is.SameAs(slot.Content), "registered");
        Assert.That(searches, Is.EqualTo(1));
    }

    [TestCase("model", true, false)]
    [TestCase("Model", false, false)]
    [TestCase("models", false, false)]
    [TestCase("Kind", false, true)]
    [TestCase("KindOfReward", false, true)]
    [TestCase("kind", false, false)]
    public void NamesAreThePackagesOwn(string name, bool model, bool reward)
    {
        var slot = new CompanionPackageSlot("A.Package", ["model"], "Kind", "APackage.Register()", () => null);
        Assert.That((slot.HasModel(name), slot.HasReward(name)), Is.EqualTo((model, reward)));
    }

    /// <summary>The package is of the same project, and may be older than the file.</summary>
    [Test]
    public void ARewardThatThePackageDoesNotKnowIsRefused() => Assert.That(
        () => CompanionPackages.MakeReward(new RewardReference { Kind = "MovingShapesOfTomorrow" }),
        Throws.TypeOf<InvalidDataException>().With.Message.Contains("'MovingShapesOfTomorrow'").And.Message.Contains(CompanionPackages.MovingShapes));

    /// <summary>A hash that the reward has none of, as a forged file may say.</summary>
    [Test]
    public void AHashOfARewardWithoutFilesIsRefused() => Assert.That(
        () => CompanionPackages.MakeReward(new RewardReference { Kind = TrueRatingReward.Kind, Arguments = new Dictionary<string, string> { ["sha256"] = "0" } }),
        Throws.TypeOf<InvalidDataException>().With.Message.Contains("another version"));

    [Test]
    public void TheLibraryFindsThePackageByItself()
    {
        using VideoReward reward = CompanionPackages.MakeReward(new RewardReference { Kind = TrueRatingReward.Kind });
        Assert.That(reward.Name, Is.EqualTo("true rating"));
    }

    [Test]
    public void PromptsAndImagesAreThere()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MovingShapesPrompts.Training, Has.Count.GreaterThan(100).And.All.Not.Empty);
            Assert.That(MovingShapesPrompts.Unseen.Intersect(MovingShapesPrompts.Training), Is.Empty);
            Assert.That(MovingShapesPrompts.TrainingImages.Concat(MovingShapesPrompts.UnseenImages).Select(row => row.Image), Has.All.Exist);
        }
    }
}
