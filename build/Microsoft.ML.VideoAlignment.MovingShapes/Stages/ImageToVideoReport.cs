using System.Globalization;
using System.Text;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Films of unseen pictures, made through the library's own pipeline from the files as they ship, beside painted films that begin with the same pictures and
/// beside the pictures standing still.
/// </summary>
internal static class ImageToVideoReport
{
    public const string Name = "image-to-video-report";

    private const int Chunk = 8;
    private const int VariedPictures = 16, FilmsAPicture = 4;
    private const int ControlPictures = 32;
    private const int LongFilms = 24, ClipsAFilm = 3;
    private const int OnTheSheet = 12;
    private const int Steps = 20;
    private const int Stream = 114;

    private static readonly double[] s_buckets = [0, 40, 80, Excerpt.UsualBucket];

    public static void Run(Workshop shop)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using StableVideoPipeline model = StableVideoPipeline.FromFolder(Path.Combine(shop.Ship, ImageToVideoFiles.Folder), null, Placement.Cpu);
        using var measures = new FilmMeasures(shop.Ship);
        var sampling = new SamplingSettings
        {
            Size = new VideoSize(Film.Frames, Film.Size, Film.Size),
            Steps = Steps,
            GuidanceScale = shop.Guidance,
            MinGuidanceScale = 1,
            FramesPerSecond = Excerpt.UsualRate,
            MotionBucketId = Excerpt.UsualBucket,
            NoiseAugmentation = 0.02,
        };
        Random random = StepRandom.Numbers(Stream, 0);
        Excerpt[] excerpts = [.. Enumerable.Range(0, shop.Films).Select(i => Excerpt.BeginningOf(Film.Draw(random, dull: i % 2 == 0)))];
        Tensor pictures = Excerpt.PaintFirst(excerpts);
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Pictures: the first frames of {shop.Films} unseen captioned films, half of them dull. Films: {Steps} steps, guidance 1 to {shop.Guidance:0.##}, motion bucket {Excerpt.UsualBucket}, {Excerpt.UsualRate} frames a second, seeds 0 to {shop.Films - 1}.");
        text.AppendLine("Painted: the films behind the pictures. Still: the picture eight times. Cut: the first half of a generated film and the second half of another.");
        text.AppendLine();

        Tensor made = Generate(model, sampling, pictures, 0);
        Tensor painted = Excerpt.PaintFilms(excerpts);
        Tensor still = pictures.unsqueeze(2).repeat(1, 1, Film.Frames, 1, 1);
        Tensor cut = cat([made.narrow(2, 0, Film.Frames / 2), made.roll(1, 0).narrow(2, Film.Frames / 2, Film.Frames / 2)], 2);
        (string Name, Tensor Films)[] kinds = [("generated", made), ("painted", painted), ("still", still), ("cut", cut)];
        FilmMeasures.Result[] results = [.. kinds.Select(kind => measures.Of(kind.Films, excerpts, pictures))];
        text.AppendLine(string.Concat(kinds.Select(kind => $"{kind.Name,10}")) + "  what");
        foreach ((string meaning, Func<FilmMeasures.Result, double> value) in FilmMeasures.Rows)
        {
            text.AppendLine(string.Concat(results.Select(result => value(result).ToString("0.####", CultureInfo.InvariantCulture).PadLeft(10))) + "  " + meaning);
        }

        text.AppendLine();
        text.AppendLine($"Motions of the generated films: {Motions(made)}.");
        Sheet(shop, "image-to-video.png", painted, made);
        shop.Log.Write(text.ToString());

        Tensor repeated = First(VariedPictures).repeat_interleave(FilmsAPicture, 0);
        Motion[][] motions = [.. Judge.Read(Generate(model, sampling, repeated, 1000)).Select(subject => subject.Motion).Chunk(FilmsAPicture)];
        text.AppendLine(CultureInfo.InvariantCulture, $"Of {FilmsAPicture} films of one picture {motions.Average(group => group.Distinct().Count()):0.##} motions differ (mean over {VariedPictures} pictures).");
        foreach (double bucket in s_buckets)
        {
            Tensor films = Generate(model, sampling with { MotionBucketId = bucket }, First(ControlPictures), 2000);
            text.AppendLine(CultureInfo.InvariantCulture, $"Motion bucket {bucket,3}: travels {Travel(films),5:0.0} pixels on average. {Motions(films)}.");
        }

        Tensor faster = Generate(model, sampling with { FramesPerSecond = 10 }, First(ControlPictures), 2000);
        text.AppendLine(CultureInfo.InvariantCulture, $"The last at 10 frames a second: {Travel(faster),5:0.0} pixels.");

        Tensor first = First(LongFilms);
        Tensor film = Generate(model, sampling with { SegmentCount = ClipsAFilm }, first, 3000);
        text.AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"{first.shape[0]} films of {ClipsAFilm} clips, each beginning with the last frame of the one before:");
        for (int clip = 0; clip < ClipsAFilm; clip++)
        {
            FilmMeasures.Result result = measures.Of(film.narrow(2, clip * Film.Frames, Film.Frames).contiguous(), excerpts[..(int)first.shape[0]], first);
            text.AppendLine(CultureInfo.InvariantCulture, $"clip {clip + 1}: colour {result.Colour:0.###}, shape {result.Shape:0.###}, background {result.Background:0.###}, V-JEPA {result.Consistency:0.####}");
        }

        FilmMeasures.Result seam = measures.Of(film.narrow(2, Film.Frames / 2, Film.Frames).contiguous(), excerpts[..(int)first.shape[0]], first);
        text.AppendLine(CultureInfo.InvariantCulture, $"eight frames around the first seam: V-JEPA {seam.Consistency:0.####}");
        Sheet(shop, "long-video.png", [.. Enumerable.Range(0, ClipsAFilm).Select(clip => film.narrow(2, clip * Film.Frames, Film.Frames))]);
        shop.Log.Write(text.ToString());
        File.WriteAllText(Path.Combine(shop.Ship, ImageToVideoFiles.Folder, "report.txt"), Header(shop) + text);

        Tensor First(int count) => pictures.narrow(0, 0, Math.Min(count, pictures.shape[0]));
    }

    private static string Header(Workshop shop) => string.Create(CultureInfo.InvariantCulture, $"""
        MovingShapes, image to video: trained by build/Microsoft.ML.VideoAlignment.MovingShapes.
        Steps: autoencoder {string.Join(" + ", TemporalVaeStage.PartNames.Select(name => ReportStage.Steps(shop, name)))}, picture encoder {ReportStage.Steps(shop, PictureEncoderStage.Name)}, denoiser {string.Join(" + ", ImageToVideoStage.PartNames.Select(name => ReportStage.Steps(shop, name)))}; batches 16 frames, 96 pictures, 16 clips.
        Autoencoder, mean square error of pixels in [-1, 1]: {shop.Figure("temporal vae mse clips"):0.####} on clips, {shop.Figure("temporal vae mse crowds"):0.####} on four figures at once; scaling factor {shop.Figure("temporal scaling factor"):0.####}.
        Picture encoder with the embedded CLIP's texts, captions that differ in the colour {shop.Figure("picture-encoder zero-shot colour"):0.###}, shape {shop.Figure("picture-encoder zero-shot shape"):0.###}, background {shop.Figure("picture-encoder zero-shot background"):0.###} right.

        """);

    /// <summary>A film for each picture [N, 3, 32, 32]; seeds from firstSeed on.</summary>
    private static Tensor Generate(StableVideoPipeline model, SamplingSettings sampling, Tensor pictures, int firstSeed)
    {
        var films = new List<Tensor>();
        for (int start = 0; start < pictures.shape[0]; start += Chunk)
        {
            int count = (int)Math.Min(Chunk, pictures.shape[0] - start);
            VideoPrompt[] prompts = [.. Enumerable.Range(start, count).Select(i => new VideoPrompt("", () => pictures[i]))];
            films.Add(new VideoGenerator(model, sampling).Generate(prompts, [.. Enumerable.Range(start, count).Select(i => (ulong)(firstSeed + i))]));
        }

        return cat(films);
    }

    private static string Motions(Tensor films) => string.Join(
        ", ", Judge.Read(films).GroupBy(subject => subject.Motion).OrderBy(group => group.Key).Select(group => $"{group.Count()} {Attributes.Motions[(int)group.Key]}"));

    private static double Travel(Tensor films) => Judge.Measure(films).Average(reading => Math.Max(Math.Abs(reading.Right), Math.Abs(reading.Down)));

    /// <summary>One row for each picture: its films side by side.</summary>
    private static void Sheet(Workshop shop, string file, params Tensor[] films)
    {
        Tensor row = cat([.. films.Select(film => film.narrow(0, 0, Math.Min(OnTheSheet, film.shape[0])))], 2);
        ContactSheet.Write(row, Path.Combine(shop.Folder, file));
    }
}
