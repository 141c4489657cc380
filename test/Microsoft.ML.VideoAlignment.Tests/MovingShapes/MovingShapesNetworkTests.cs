using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// The embedded preference model, action classifier, detector and V-JEPA on painted videos whose answer is known. The shares asked for lie below those that the
/// training program measured on more videos (MovingShapes/report.txt).
/// </summary>
public class MovingShapesNetworkTests
{
    private const int Videos = 96;
    private const double LeastAction = 0.95;
    private const double LeastPreference = 0.78;
    private const double LeastSeen = 0.55;

    // Each lies four standard errors of a share of this many videos below what is aimed at.
    private const double LeastOrdered = 0.65, LeastUnspliced = 0.8, LeastSameShape = 0.7, LeastSameColor = 0.85;

    private static readonly Dictionary<string, Func<VideoReward>> s_rewards = new()
    {
        ["preference"] = MovingShapesRewards.Preference,
        ["action"] = () => MovingShapesRewards.Action(),
        ["action label"] = () => MovingShapesRewards.Action(new ActionClassificationOptions { Label = "growing", LogProbability = true }),
        ["object removal"] = () => MovingShapesRewards.ObjectRemoval("square", new ObjectRemovalOptions { Threshold = 0.1 }),
        ["temporal consistency"] = MovingShapesRewards.TemporalConsistency,
        ["weather"] = MovingShapesRewards.Weather,
        ["compressed size"] = MovingShapesRewards.CompressedSize,
    };

    private static IEnumerable<string> Rewards => s_rewards.Keys;

    [Test]
    public void AVideosMotionIsItsMostProbableLabel()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = MovingShapesRewards.Action();
        (ShapesVideo[] videos, Tensor frames) = Painted(Videos, (random, i) => ShapesVideo.Draw(random, dull: false) is var video
            ? ShapesVideo.Draw(random, video.Subject with { Motion = (Motion)(i % 6) }, video.Quality) : video);
        Tensor probabilities = stack([.. Attributes.Motions.Select((_, motion) =>
            reward.Score(frames,
                [.. videos.Select((video, i) => Captions.Of(video.Subject with { Motion = (Motion)motion }, i % Captions.Templates.Count))]))], 1);
        Assert.That(probabilities.sum(1).allclose(ones(Videos)), "six labels, each asked for by a prompt that contains it");
        long[] seen = probabilities.argmax(1).data<long>().ToArray();
        double[] shares = [.. Enumerable.Range(0, 6)
            .Select(motion => Enumerable.Range(0, Videos).Where(i => i % 6 == motion).Average(i => seen[i] == motion ? 1.0 : 0))];
        TestContext.Out.WriteLine(string.Join(" ", shares.Select(share => $"{share:p0}")));
        Assert.That(shares.Average(), Is.GreaterThan(LeastAction));
        Assert.That(shares, Has.All.GreaterThan(0.5));
    }

    /// <summary>Grays are about .12, .42 and .85; the threshold is the middle of the upper two.</summary>
    [Test]
    public void ALightBackdropIsTheWeather()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = MovingShapesRewards.Weather();
        (ShapesVideo[] videos, Tensor frames) = Painted(Videos, (random, _) => ShapesVideo.Draw(random, dull: false));
        bool[] seen = [.. reward.Score(frames, []).data<float>().ToArray().Select(score => score > 0.63f)];
        Assert.That(seen, Is.EqualTo(videos.Select(video => Attributes.Backgrounds[video.Subject.Background] == "light")));
    }

    [Test]
    public void ThePredictedSizeFollowsTheFilesSize()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = MovingShapesRewards.CompressedSize();
        (ShapesVideo[] videos, Tensor frames) = Painted(Videos, (random, _) => ShapesVideo.Draw(random, dull: false));
        Tensor sizes = JpegSize.Kilobytes(videos, frames.transpose(1, 2).flatten(0, 1)).view(Videos, -1).mean([1]);
        Tensor both = stack([reward.Score(frames, []), sizes]);
        Tensor centerd = both - both.mean([1], keepdim: true);
        Tensor unit = centerd / centerd.square().sum(1, keepdim: true).sqrt();
        float correlation = unit[0].dot(unit[1]).item<float>();
        TestContext.Out.WriteLine($"correlation {correlation:f3}");
        Assert.That(correlation, Is.GreaterThan(0.75));
    }

    [Test]
    public void TheBetterRatedFrameIsPreferred()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = MovingShapesRewards.Preference();
        using VideoReward known = MovingShapesRewards.TrueRating();
        (ShapesVideo[] videos, Tensor one) = Painted(Videos, (random, _) => ShapesVideo.Draw(random, dull: false));
        (_, Tensor other) =
            Painted(Videos, (random, i) => ShapesVideo.Draw(random, videos[i].Subject, ShapesVideo.Draw(random, dull: false).Quality), seed: 18);
        string[] prompts = [.. videos.Select((video, i) => Captions.Of(video.Subject, i % Captions.Templates.Count))];
        Tensor preferred = reward.Score(one, prompts).gt(reward.Score(other, prompts));
        double share = Share(preferred.eq(known.Score(one, prompts).gt(known.Score(other, prompts))));
        TestContext.Out.WriteLine($"as the true rating: {share:p1}");
        Assert.That(share, Is.GreaterThan(LeastPreference));
    }

    [Test]
    public void APromptsOwnVideoIsPreferred()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = MovingShapesRewards.Preference();
        (ShapesVideo[] videos, Tensor frames) = Painted(Videos, (random, _) => ShapesVideo.Draw(random, dull: false));
        string[] prompts = [.. videos.Select((video, i) => Captions.Of(video.Subject, i % Captions.Templates.Count))];
        double share = Share(reward.Score(frames, prompts).gt(reward.Score(frames.roll(1, 0), prompts)));
        TestContext.Out.WriteLine($"own video preferred: {share:p1}");
        Assert.That(share, Is.GreaterThan(0.85));
    }

    [Test]
    public void AFigureIsMissedWhereItIsNotAndSeenWhereItIs()
    {
        using DisposeScope scope = NewDisposeScope();
        (ShapesVideo[] videos, Tensor frames) = Painted(Videos, (random, _) => ShapesVideo.Draw(random, dull: false));
        double[,] seen = new double[4, 4];
        foreach (Shape label in Enum.GetValues<Shape>())
        {
            using VideoReward reward = MovingShapesRewards.ObjectRemoval(Attributes.Shapes[(int)label]);
            float[] scores = reward.Score(frames, []).data<float>().ToArray();
            foreach (Shape shape in Enum.GetValues<Shape>())
            {
                seen[(int)label, (int)shape] = 1 - scores.Where((_, i) => videos[i].Subject.Shape == shape).Average();
            }

            TestContext.Out.WriteLine($"no {label}: " + string.Join(" ", Enumerable.Range(0, 4).Select(shape => $"{seen[(int)label, shape]:f2}")));
        }

        Assert.That(Enumerable.Range(0, 4).Average(shape => seen[shape, shape]), Is.GreaterThan(LeastSeen));
        Assert.That(Enumerable.Range(0, 16).Where(i => i / 4 != i % 4).Average(i => seen[i / 4, i % 4]), Is.LessThan(0.15));
        float[] empty = new float[ShapesVideo.FrameLength];
        Painter.Paint(videos[0].Backdrop, empty);
        using VideoReward circle = MovingShapesRewards.ObjectRemoval("circle");
        Assert.That(circle.Score(tensor(empty, [1, 3, 1, ShapesVideo.Size, ShapesVideo.Size]), []).item<float>(), Is.EqualTo(1), "an image without the object");
    }

    [Test]
    public void AVideoIsMoreConsistentThanTheSameMadeWorse()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using VideoReward reward = MovingShapesRewards.TemporalConsistency();
        (ShapesVideo[] videos, Tensor frames) = Painted(Videos, (random, _) => ShapesVideo.Draw(random, dull: false));
        Tensor whole = reward.Score(frames, []);
        Tensor moving = tensor([.. videos.Select(video => video.Subject.Motion != Motion.Still)]);
        using (Assert.EnterMultipleScope())
        {
            Require("spliced", Midway(frames.roll(1, 0)), LeastUnspliced);
            Require("shape", Midway(Changed(figure => figure with { Shape = (Shape)(((int)figure.Shape + 1) % 4) })), LeastSameShape);
            Require("color", Midway(Changed(figure => figure with { Hue = (figure.Hue + 120) % 360 })), LeastSameColor);
            Require("shuffled", frames.index_select(2, tensor(new long[] { 3, 6, 0, 5, 1, 7, 2, 4 })), LeastOrdered, moving);
        }

        void Require(string defect, Tensor worse, double least, Tensor? among = null)
        {
            Tensor wins = whole.gt(reward.Score(worse, []));
            double share = Share(among is null ? wins : wins.masked_select(among));
            TestContext.Out.WriteLine($"{defect}: {share:p1}");
            Assert.That(share, Is.GreaterThan(least), defect);
        }

        Tensor Midway(Tensor other) => cat([frames.narrow(2, 0, 4), other.narrow(2, 4, 4)], 2);
        Tensor Changed(Func<Figure, Figure> change) => Painter.PaintVideos([.. videos.Select(video => video with { Figure = change(video.Figure) })]);
    }

    [TestCaseSource(nameof(Rewards))]
    public void TheGradientReachesTheFrames(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = s_rewards[name]();
        (ShapesVideo[] videos, Tensor frames) = Painted(4, (random, i) => ShapesVideo.Draw(random, dull: false) is var video
            ? ShapesVideo.Draw(random, video.Subject with { Shape = Shape.Square }, video.Quality) : video);
        frames = (frames * 0.98) + 0.01; // inside the range, whose ends have no slope
        frames.requires_grad_(true);
        reward.Score(frames, [.. videos.Select(video => Captions.Of(video.Subject, 0))]).sum().backward();
        Tensor gradient = frames.grad!;
        Assert.That(gradient.isfinite().all().item<bool>());
        Assert.That(gradient.norm().item<float>(), Is.GreaterThan(1e-6));
    }

    [TestCaseSource(nameof(Rewards))]
    public void ItComesBackFromItsReference(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = s_rewards[name]();
        RewardReference reference = RewardReference.FromJson(reward.Reference.ToJson());
        Assert.That(reference.Files, Is.Empty, "no path of this machine");
        using VideoReward again = CompanionPackages.MakeReward(reference);
        (ShapesVideo[] videos, Tensor frames) = Painted(3, (random, _) => ShapesVideo.Draw(random, dull: false));
        string[] prompts = [.. videos.Select(video => Captions.Of(video.Subject, 0))];
        Assert.That(again.Name, Is.EqualTo(reward.Name));
        Assert.That(again.Contract, Is.EqualTo(reward.Contract));
        Assert.That(again.Score(frames, prompts).Equals(reward.Score(frames, prompts)));
        Assert.That(() => CompanionPackages.MakeReward(reference with { ContentHash = "0" }),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("another version"));
    }

    [Test]
    public void APromptsOwnTextsAreKeptBesideTheWorlds()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward =
            MovingShapesRewards.Action(new ActionClassificationOptions { Prompts = new Dictionary<string, string> { ["swells"] = "growing" } });
        (_, Tensor frames) = Painted(1, (random, _) => ShapesVideo.Draw(random, dull: false));
        float own = reward.Score(frames, ["it swells"]).item<float>();
        Assert.That(own, Is.EqualTo(reward.Score(frames, ["a red circle growing on dark"]).item<float>()));
        Assert.That(own, Is.Not.EqualTo(reward.Score(frames, ["a red circle moving up on dark"]).item<float>()));
        Assert.That(() => reward.Score(frames, ["it sings"]), Throws.TypeOf<RewardContractException>().With.Message.Contains("it sings"));
    }

    [Test]
    public void AnUnknownShapeIsNamed() =>
        Assert.That(() => MovingShapesRewards.ObjectRemoval("squere"), Throws.ArgumentException.With.Message.Contains("'square'"));

    private static double Share(Tensor truths) => truths.to_type(ScalarType.Float32).mean().item<float>();

    private static (ShapesVideo[] Videos, Tensor Frames) Painted(int count, Func<Random, int, ShapesVideo> draw, int seed = 17)
    {
        var random = new Random(seed);
        ShapesVideo[] videos = [.. Enumerable.Range(0, count).Select(i => draw(random, i))];
        return (videos, Painter.PaintVideos(videos));
    }
}
