using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Pipelines;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// The embedded image-to-video model on painted pictures. The shares asked for lie below those that the training program measured on more films
/// (MovingShapes/image-to-video/report.txt); shapes are not kept well enough to ask for them.
/// </summary>
public class ImageToVideoTests
{
    private const int Films = 16;
    private const double LeastColour = 0.6;
    private const double LeastBackground = 0.85;
    private const double LargestFirstFrame = 0.005;

    private VideoDiffusionModel _model = null!;
    private Excerpt[] _excerpts = null!;
    private Tensor _pictures = null!;

    [OneTimeSetUp]
    public void Open()
    {
        _model = VideoDiffusionModel.MovingShapesImageToVideo();
        var random = new Random(21);
        _excerpts = [.. Enumerable.Range(0, Films).Select(_ => Excerpt.BeginningOf(Film.Draw(random, dull: false)))];
        _pictures = Excerpt.PaintFirst(_excerpts);
    }

    [OneTimeTearDown]
    public void Close()
    {
        _model.Dispose();
        _pictures.Dispose();
    }

    [Test]
    public void AFilmShowsItsPicture()
    {
        using Tensor films = Generate(Films, bucket: Excerpt.UsualBucket);
        IReadOnlyList<Subject> seen = Judge.Read(films);
        using Tensor first = films.select(2, 0);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Share((a, b) => a.Colour == b.Colour), Is.GreaterThan(LeastColour), "colour");
            Assert.That(Share((a, b) => a.Background == b.Background), Is.GreaterThan(LeastBackground), "background");
            Assert.That((first - _pictures).square().mean().item<float>(), Is.LessThan(LargestFirstFrame), "first frame");
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
            using Tensor films = Generate(Few, bucket);
            return Judge.Measure(films).Average(reading => Math.Max(Math.Abs(reading.Right), Math.Abs(reading.Down)));
        })];
        TestContext.Out.WriteLine(string.Join(" ", travels.Select(travel => $"{travel:0.0}")));
        Assert.That(travels, Is.Ordered.Ascending);
        Assert.That(travels[2] - travels[0], Is.GreaterThan(4), "pixels");
    }

    [Test]
    public void ItIsFoundByItsName()
    {
        using VideoDiffusionModel again = LoadPlaces.OpenSource(_model.Source, new VideoModelOptions());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(again.Hash, Is.EqualTo(_model.Hash));
            Assert.That(again.Pictures, Is.EqualTo(PictureUse.Required));
            Assert.That(again.DefaultSize, Is.EqualTo(new VideoSize(Film.Frames, Film.Size, Film.Size)));
            Assert.That(VideoModelReference.IsEmbedded(again));
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
        VideoPrompt[] prompts = [.. Enumerable.Range(0, count).Select(i => new VideoPrompt("", () => _pictures[i]))];
        return new VideoGenerator(_model, sampling).Generate(prompts, [.. Enumerable.Range(0, count).Select(i => (ulong)i)]).MoveToOuterDisposeScope();
    }
}
