using System.Globalization;
using System.Text;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Videos of unseen images, made through the library's own pipeline from the files as they ship, beside painted videos that begin with the same images and
/// beside the images standing still.
/// </summary>
internal static class ImageToVideoReport
{
    public const string Name = "image-to-video-report";

    private const int Chunk = 8;
    private const int VariedImages = 16, VideosAImage = 4;
    private const int ControlImages = 32;
    private const int Segments = 3;
    private const int OnTheSheet = 12;
    private const int Steps = 20;
    private const int Stream = 114;

    private static readonly double[] s_buckets = [0, 40, 80, Excerpt.UsualBucket];

    public static void Run(Workshop shop)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model =
            new VideoDiffusionModel(StableVideoDiffusionModel.FromFolder(Path.Combine(shop.Ship, ImageToVideoFiles.Folder), null, Placement.Cpu));
        using var measures = new VideoMeasures(shop.Ship);
        var sampling = new SamplingSettings
        {
            Size = new VideoSize(ShapesVideo.Frames, ShapesVideo.Size, ShapesVideo.Size),
            Steps = Steps,
            GuidanceScale = shop.Guidance,
            MinGuidanceScale = 1,
            FramesPerSecond = Excerpt.UsualRate,
            MotionBucketId = Excerpt.UsualBucket,
            NoiseAugmentation = 0.02,
        };
        Random random = StepRandom.Numbers(Stream, 0);
        Excerpt[] excerpts = [.. Enumerable.Range(0, shop.Videos).Select(i => Excerpt.BeginningOf(ShapesVideo.Draw(random, dull: i % 2 == 0)))];
        Tensor images = Excerpt.PaintFirst(excerpts);
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Images: the first frames of {shop.Videos} unseen captioned videos, half of them dull. Videos: "
            + $"{Steps} steps, guidance 1 to {shop.Guidance:0.##}, motion bucket {Excerpt.UsualBucket}, {Excerpt.UsualRate} frames a second, seeds 0 to "
            + $"{shop.Videos - 1}.");
        text.AppendLine("Painted: the videos behind the images. Still: the image eight times. Cut: the first half of a generated video and the second half "
            + "of another.");
        text.AppendLine();

        Compare(shop, model, measures, sampling, excerpts, images, text);
        shop.Log.Write(text.ToString());
        Vary(model, sampling, images, text);
        Lengthen(shop, model, measures, sampling, excerpts, images, text);
        shop.Log.Write(text.ToString());
        File.WriteAllText(Path.Combine(shop.Ship, ImageToVideoFiles.Folder, "report.txt"), Header(shop) + text);
    }

    // Generated videos beside painted ones, still images, and halves of two videos.
    private static void Compare(
        Workshop shop, VideoDiffusionModel model, VideoMeasures measures, SamplingSettings sampling, Excerpt[] excerpts, Tensor images, StringBuilder text)
    {
        Tensor made = Generate(model, sampling, images, 0);
        Tensor painted = Excerpt.PaintVideos(excerpts);
        Tensor still = images.unsqueeze(2).repeat(1, 1, ShapesVideo.Frames, 1, 1);
        Tensor cut = cat([made.narrow(2, 0, ShapesVideo.Frames / 2), made.roll(1, 0).narrow(2, ShapesVideo.Frames / 2, ShapesVideo.Frames / 2)], 2);
        (string Name, Tensor Videos)[] kinds = [("generated", made), ("painted", painted), ("still", still), ("cut", cut)];
        VideoMeasures.Result[] results = [.. kinds.Select(kind => measures.Of(kind.Videos, excerpts, images))];
        text.AppendLine(string.Concat(kinds.Select(kind => $"{kind.Name,10}")) + "  what");
        foreach ((string meaning, Func<VideoMeasures.Result, double> value) in VideoMeasures.Rows)
        {
            text.AppendLine(string.Concat(results.Select(result => value(result).ToString("0.####", CultureInfo.InvariantCulture).PadLeft(10))) + "  "
                + meaning);
        }

        text.AppendLine();
        text.AppendLine($"Motions of the generated videos: {Motions(made)}.");
        Sheet(shop, "image-to-video.png", painted, made);
    }

    // Several videos of one image, and what the motion bucket and the frame rate do.
    private static void Vary(VideoDiffusionModel model, SamplingSettings sampling, Tensor images, StringBuilder text)
    {
        Tensor repeated = First(images, VariedImages).repeat_interleave(VideosAImage, 0);
        Motion[][] motions = [.. ShapesJudge.Read(Generate(model, sampling, repeated, 1000)).Select(subject => subject.Motion).Chunk(VideosAImage)];
        text.AppendLine(CultureInfo.InvariantCulture,
            $"Of {VideosAImage} videos of one image {motions.Average(group => group.Distinct().Count()):0.##} motions differ (mean over {VariedImages} "
                + $"images).");
        foreach (double bucket in s_buckets)
        {
            Tensor videos = Generate(model, sampling with { MotionBucketId = bucket }, First(images, ControlImages), 2000);
            text.AppendLine(CultureInfo.InvariantCulture, $"Motion bucket {bucket,3}: travels {Travel(videos),5:0.0} pixels on average. {Motions(videos)}.");
        }

        Tensor faster = Generate(model, sampling with { FramesPerSecond = 10 }, First(images, ControlImages), 2000);
        text.AppendLine(CultureInfo.InvariantCulture, $"The last at 10 frames a second: {Travel(faster),5:0.0} pixels.");
    }

    // Videos of several segments.
    private static void Lengthen(
        Workshop shop, VideoDiffusionModel model, VideoMeasures measures, SamplingSettings sampling, Excerpt[] excerpts, Tensor images, StringBuilder text)
    {
        Tensor video = Generate(model, sampling with { SegmentCount = Segments }, images, 3000);
        text.AppendLine();
        text.AppendLine(
            CultureInfo.InvariantCulture, $"{images.shape[0]} videos of {Segments} segments, each beginning with the last frame of the one before:");
        for (int segment = 0; segment < Segments; segment++)
        {
            VideoMeasures.Result result =
                measures.Of(video.narrow(2, segment * ShapesVideo.Frames, ShapesVideo.Frames).contiguous(), excerpts, images);
            text.AppendLine(CultureInfo.InvariantCulture, $"segment {segment + 1}: colour {result.Color:0.###}, shape {result.Shape:0.###}, background "
                + $"{result.Background:0.###}, V-JEPA {result.Consistency:0.####}");
        }

        VideoMeasures.Result seam =
            measures.Of(video.narrow(2, ShapesVideo.Frames / 2, ShapesVideo.Frames).contiguous(), excerpts, images);
        text.AppendLine(CultureInfo.InvariantCulture, $"eight frames around the first joint: V-JEPA {seam.Consistency:0.####}");
        Sheet(shop, "long-video.png", [.. Enumerable.Range(0, Segments).Select(segment => video.narrow(2, segment * ShapesVideo.Frames, ShapesVideo.Frames))]);
    }

    private static Tensor First(Tensor images, int count) => images.narrow(0, 0, Math.Min(count, images.shape[0]));

    private static string Header(Workshop shop) => string.Create(CultureInfo.InvariantCulture, $"""
        MovingShapes, image to video: trained by build/Microsoft.ML.VideoAlignment.MovingShapes.Training.
        Steps: autoencoder {string.Join(" + ",
            TemporalVaeStage.PartNames.Select(name => ReportStage.Steps(shop, name)))}, image encoder {ReportStage.Steps(shop,
                ImageEncoderStage.Name)}, denoiser {string.Join(" + ",
                    ImageToVideoStage.PartNames.Select(name => ReportStage.Steps(shop, name)))}; batches 16 frames, 96 images, 16 clips.
        Autoencoder, mean square error of pixels in [-1, 1]: {shop.Figure("temporal vae mse clips"):0.####} on clips, {shop.Figure(
            "temporal vae mse crowds"):0.####} on four figures at once; scaling factor {shop.Figure("temporal scaling factor"):0.####}.
        Image encoder with the embedded CLIP's texts, captions that differ in the colour {shop.Figure(
            "picture-encoder zero-shot colour"):0.###}, shape {shop.Figure("picture-encoder zero-shot shape"):0.###}, background {shop.Figure(
                "picture-encoder zero-shot background"):0.###} right.

        """);

    /// <summary>A video for each image [N, 3, 32, 32]; seeds from firstSeed on.</summary>
    private static Tensor Generate(VideoDiffusionModel model, SamplingSettings sampling, Tensor images, int firstSeed)
    {
        var videos = new List<Tensor>();
        for (int start = 0; start < images.shape[0]; start += Chunk)
        {
            int count = (int)Math.Min(Chunk, images.shape[0] - start);
            VideoPrompt[] prompts = [.. Enumerable.Range(start, count).Select(i => new VideoPrompt("", () => images[i]))];
            videos.Add(new VideoGenerator(model, sampling).Generate(prompts, [.. Enumerable.Range(start, count).Select(i => (ulong)(firstSeed + i))]));
        }

        return cat(videos);
    }

    private static string Motions(Tensor videos) => string.Join(
        ", ", ShapesJudge.Read(videos).GroupBy(subject => subject.Motion).OrderBy(group => group.Key)
            .Select(group => $"{group.Count()} {Attributes.Motions[(int)group.Key]}"));

    private static double Travel(Tensor videos) => ShapesJudge.Measure(videos).Average(reading => Math.Max(Math.Abs(reading.Right), Math.Abs(reading.Down)));

    /// <summary>One row for each image: its videos side by side.</summary>
    private static void Sheet(Workshop shop, string file, params Tensor[] videos)
    {
        Tensor row = cat([.. videos.Select(video => video.narrow(0, 0, Math.Min(OnTheSheet, video.shape[0])))], 2);
        ContactSheet.Write(row, Path.Combine(shop.Folder, file));
    }
}
