using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// The embedded image-to-video model on painted images. The shares asked for lie below those that the training program measured on more videos
/// (MovingShapes/image-to-video/report.txt): .92 of shapes, .95 of colors, all backgrounds.
/// </summary>
public class ImageToVideoTests
{
    private const int Videos = 16;
    private const double LeastShape = 0.6;
    private const double LeastColor = 0.7;
    private const double LeastBackground = 0.85;
    private const double LargestFirstFrame = 0.005;

    private VideoDiffusionModel _model = null!;
    private Excerpt[] _excerpts = null!;
    private Tensor _images = null!;

    [OneTimeSetUp]
    public void Open()
    {
        _model = MovingShapesModels.ImageToVideo();
        var random = new Random(21);
        _excerpts = [.. Enumerable.Range(0, Videos).Select(_ => Excerpt.BeginningOf(ShapesVideo.Draw(random, dull: false)))];
        _images = Excerpt.PaintFirst(_excerpts);
    }

    [OneTimeTearDown]
    public void Close()
    {
        _model.Dispose();
        _images.Dispose();
    }

    [Test]
    public void AVideoShowsItsImage()
    {
        using Tensor videos = Generate(Videos, bucket: Excerpt.UsualBucket);
        IReadOnlyList<Subject> seen = ShapesJudge.Read(videos);
        using Tensor first = videos.select(2, 0);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Share((a, b) => a.Shape == b.Shape), Is.GreaterThan(LeastShape), "shape");
            Assert.That(Share((a, b) => a.Color == b.Color), Is.GreaterThan(LeastColor), "color");
            Assert.That(Share((a, b) => a.Background == b.Background), Is.GreaterThan(LeastBackground), "background");
            Assert.That((first - _images).square().mean().item<float>(), Is.LessThan(LargestFirstFrame), "first frame");
            Assert.That(seen.Select(subject => subject.Motion).Distinct().Count(), Is.GreaterThan(2), "motions");
        }

        double Share(Func<Subject, Subject, bool> same) => _excerpts.Zip(seen).Average(pair => same(pair.First.Subject, pair.Second) ? 1.0 : 0);
    }

    [Test]
    public void TheMotionBucketSaysHowFast()
    {
        const int Few = 8;
        double[] travels = [.. new double[] { 0, 60, Excerpt.UsualBucket }.Select(bucket =>
        {
            using Tensor videos = Generate(Few, bucket);
            return ShapesJudge.Measure(videos).Average(reading => Math.Max(Math.Abs(reading.Right), Math.Abs(reading.Down)));
        })];
        TestContext.Out.WriteLine(string.Join(" ", travels.Select(travel => $"{travel:0.0}")));
        Assert.That(travels, Is.Ordered.Ascending);
        Assert.That(travels[2] - travels[0], Is.GreaterThan(4), "pixels");
    }

    [Test]
    public void ItIsFoundByItsName()
    {
        using VideoDiffusionModel again = ModelResolver.OpenSource(_model.Source, new VideoModelOptions());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(again.Hash, Is.EqualTo(_model.Hash));
            Assert.That(again.Images, Is.EqualTo(ImageUse.Required));
            Assert.That(again.DefaultSize, Is.EqualTo(new VideoSize(ShapesVideo.Frames, ShapesVideo.Size, ShapesVideo.Size)));
            Assert.That(again.ComesWithPackage);
        }
    }

    private Tensor Generate(int count, double bucket)
    {
        SamplingDefaults usual = _model.DefaultSampling;
        var sampling = new SamplingSettings
        {
            Size = _model.DefaultSize,
            Steps = usual.Steps,
            GuidanceScale = usual.GuidanceScale,
            MinGuidanceScale = usual.MinGuidanceScale,
            FramesPerSecond = usual.FramesPerSecond,
            NoiseAugmentation = usual.NoiseAugmentation,
            MotionBucketId = bucket,
        };
        using DisposeScope scope = NewDisposeScope();
        VideoPrompt[] prompts = [.. Enumerable.Range(0, count).Select(i => new VideoPrompt("", () => _images[i]))];
        return new VideoGenerator(_model, sampling).Generate(prompts, [.. Enumerable.Range(0, count).Select(i => (ulong)i)]).MoveToOuterDisposeScope();
    }
}
