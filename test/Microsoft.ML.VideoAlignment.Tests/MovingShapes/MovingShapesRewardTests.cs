using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.MovingShapes;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The embedded rewards on painted videos whose rating and caption are known.</summary>
public class MovingShapesRewardTests
{
    private const int Videos = 128;

    /// <summary>The recipe's head reached a correlation of .868 on single frames it had not seen.</summary>
    [Test]
    public void ThePredictedRatingFollowsTheTrueOne()
    {
        RequireTheModel();
        using DisposeScope scope = NewDisposeScope();
        (Tensor frames, string[] captions) = Painted();
        using VideoReward predicted = MovingShapesRewards.Aesthetic();
        using VideoReward known = MovingShapesRewards.TrueRating();
        Tensor both = stack([predicted.Score(frames, captions), known.Score(frames, captions)]);
        Tensor centerd = both - both.mean([1], keepdim: true);
        Tensor covariance = centerd.matmul(centerd.t());
        double correlation = covariance[0, 1].item<float>() / Math.Sqrt(covariance[0, 0].item<float>() * covariance[1, 1].item<float>());
        TestContext.Out.WriteLine($"correlation {correlation:f3}");
        Assert.That(correlation, Is.GreaterThan(0.8));
    }

    /// <summary>Each video's own caption against the caption of the next video, which nearly always differs in color, shape or background.</summary>
    [Test]
    public void AVideoIsNearerToItsOwnCaption()
    {
        RequireTheModel();
        using DisposeScope scope = NewDisposeScope();
        (Tensor frames, string[] captions) = Painted();
        using VideoReward text = MovingShapesRewards.TextSimilarity();
        Tensor own = text.Score(frames, captions);
        Tensor other = text.Score(frames, [.. captions[1..], captions[0]]);
        double share = own.gt(other).to_type(ScalarType.Float32).mean().item<float>();
        TestContext.Out.WriteLine($"nearer to the own caption: {share:p1}, mean cosine {own.mean().item<float>():f3} against {other.mean().item<float>():f3}");
        Assert.That(share, Is.GreaterThan(0.9));
    }

    [Test]
    public void TheEmbeddedRewardsComeBackFromTheirReferences()
    {
        RequireTheModel();
        using VideoReward mix = MovingShapesRewards.Aesthetic() + MovingShapesRewards.TextSimilarity();
        RewardReference reference = RewardReference.FromJson(mix.Reference.ToJson());
        using (VideoReward again = CompanionPackages.MakeReward(reference))
        {
            Assert.That(again.Name, Is.EqualTo(mix.Name));
        }

        RewardReference other = reference.Parts[0].Reward with { ContentHash = "0" };
        Assert.That(() => CompanionPackages.MakeReward(other), Throws.TypeOf<InvalidDataException>().With.Message.Contains("another version"));
    }

    [Test]
    public void APartThatIsNotThereIsNamed() =>
        Assert.That(() => MovingShapesFiles.Find("no-such-part"),
            Throws.TypeOf<FileNotFoundException>().With.Message.Contains("no-such-part").And.Message.Contains("MovingShapes"));

    private static void RequireTheModel()
    {
        if (!File.Exists(Path.Combine(AppContext.BaseDirectory, "MovingShapes", "aesthetic-head.safetensors")))
        {
            Assert.Ignore("The embedded model (folder MovingShapes) is not beside the tests.");
        }
    }

    private static (Tensor Frames, string[] Captions) Painted()
    {
        var random = new Random(17);
        ShapesVideo[] videos = [.. Enumerable.Range(0, Videos).Select(_ => ShapesVideo.Draw(random, dull: false))];
        Tensor painted = Painter.PaintFrames([.. videos.Select((video, i) => (video, i % ShapesVideo.Frames))]);
        return (painted.unsqueeze(2), [.. videos.Select((video, i) => Captions.Of(video.Subject, i % Captions.Templates.Count))]);
    }
}
