using System.Globalization;
using System.Text;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Generates videos for unseen prompts from the files as they ship, through the library's own pipeline and rewards, and writes what was reached beside what
/// the PyTorch trial of the same recipe reached.
/// </summary>
internal static class ReportStage
{
    public const string Name = "report";

    public const int DefaultVideos = 96;
    public const double DefaultGuidance = 1.5;
    private const int Chunk = 8;
    private const int OnTheSheet = 24;

    public const int SamplerSteps = 20;

    /// <summary>Names as noted, what they mean, and the trial's figure (null: not measured there).</summary>
    private static readonly (string Name, string Meaning, double? Trial)[] s_rows =
    [
        ("vae mse crowds", "autoencoder, mean square error on crowds, pixels in [-1, 1]", 0.0079),
        ("vae mse dull frames", "autoencoder, the same on frames of dull videos", null),
        ("latent std", "standard deviation of unscaled latents", 2.1),
        ("scaling factor", "1 / that of the cached videos", 0.678),
        ("clip zero-shot colour", "CLIP, captions that differ in the colour", 0.99),
        ("clip zero-shot shape", "CLIP, captions that differ in the shape", null),
        ("clip zero-shot background", "CLIP, captions that differ in the background", 1.0),
        ("head correlation", "aesthetic head with the true rating, unseen frames", 0.868),
        ("head rmse", "the same, root mean square error", 0.61),
        ("weather correlation", "weather head with the backdrop's grey, unseen frames", null),
        ("weather rmse", "the same, root mean square error", null),
        ("compression correlation", "compression head with the size as JPEG, unseen frames", null),
        ("compression rmse", "the same, root mean square error, kB", null),
        ("preference pairs", "preference model, pairs of frames in which the preferred one scores higher", null),
        ("preference pairs of one subject", "the same where both frames show the prompt's subject", null),
        ("preference zero-shot colour", "preference model, captions that differ in the colour", null),
        ("preference zero-shot shape", "in the shape", null),
        ("preference zero-shot background", "in the background", null),
        ("action accuracy", "action classifier, motion of painted videos", 0.888),
        ("detector found", "detector, figures whose surest detection has their label, with a probability above 0.5", null),
        ("detector label", "the same at any probability", null),
        ("detector false alarms", "empty frames in which it sees a figure so surely", null),
        ("detector overlap", "mean intersection over union of its boxes", null),
        ("consistency loss", "V-JEPA, prediction loss on painted videos", null),
        ("consistency against shuffled", "videos that move and score higher than with their frames shuffled", null),
        ("consistency against spliced", "videos that score higher than with another video's second half", null),
        ("consistency against shape", "than with another shape from the fifth frame on", null),
        ("consistency against colour", "than with another colour from the fifth frame on", null),
        ("consistency against frozen", "videos that move and score higher than their first frame throughout: V-JEPA prefers what stands still", null),
        ("consistency teacher shape", "frames of hard lessons whose shape its target encoder tells", null),
        ("consistency teacher colour", "whose colour it tells", null),
        ("videos colour", "generated videos that show the colour of their prompt (measuring judge)", 1.0),
        ("videos shape", "the shape", 1.0),
        ("videos motion", "the motion", 0.41),
        ("videos background", "the background", 0.75),
        ("videos all", "all four", null),
        ("videos predicted rating", "aesthetic head on generated videos", 5.25),
        ("videos true rating", "true rating of generated videos", 5.45),
        ("dull videos true rating", "true rating of painted dull videos, which the denoiser learned from", null),
        ("videos text similarity", "cosine of CLIP's frame and prompt", 0.648),
    ];

    public static void Run(Workshop shop)
    {
        (string Prompt, Subject Subject)[] rows = [.. PromptSplit.Make().Unseen.Take(shop.Videos)];
        var sampling = new SamplingSettings
        {
            Size = new VideoSize(ShapesVideo.Frames, ShapesVideo.Size, ShapesVideo.Size),
            Steps = SamplerSteps,
            GuidanceScale = shop.Guidance
        };
        Tensor[] videos = new Tensor[shop.Videos / Chunk];
        double[][] scores = new double[videos.Length][];
        using (VideoDiffusionModel model = new VideoDiffusionModel(ModelScopeModel.FromFolder(Path.Combine(shop.Ship, "text-to-video"), null, Placement.Cpu)))
        using (VideoReward aesthetic = VideoRewards.Aesthetic(Path.Combine(shop.Ship, "clip"), Path.Combine(shop.Ship, "aesthetic-head.safetensors")))
        using (VideoReward similarity = VideoRewards.TextImageSimilarity(Path.Combine(shop.Ship, "clip")))
        {
            for (int chunk = 0; chunk < videos.Length; chunk++)
            {
                using IDisposable guard = no_grad();
                using DisposeScope scope = NewDisposeScope();
                string[] prompts = [.. rows.Skip(chunk * Chunk).Take(Chunk).Select(row => row.Prompt)];
                Tensor made = new VideoGenerator(model, sampling).Generate([.. prompts], [.. prompts.Select((_, i) => (ulong)((chunk * Chunk) + i))]);
                Tensor frames = made.permute(0, 2, 1, 3, 4).flatten(0, 1);
                scores[chunk] =
                [
                    aesthetic.Score(made, prompts).mean().item<float>(), TrueRating.Rate(frames).mean().item<float>(), similarity.Score(made, prompts)
                        .mean().item<float>(),
                ];
                videos[chunk] = made.DetachFromDisposeScope();
            }
        }

        using Tensor all = cat(videos);
        Subject[] seen = [.. ShapesJudge.Read(all)];
        Note("videos colour", (a, b) => a.Color == b.Color);
        Note("videos shape", (a, b) => a.Shape == b.Shape);
        Note("videos motion", (a, b) => a.Motion == b.Motion);
        Note("videos background", (a, b) => a.Background == b.Background);
        Note("videos all", (a, b) => a == b);
        foreach (IGrouping<Motion, int> group in Enumerable.Range(0, shop.Videos).GroupBy(i => rows[i].Subject.Motion).OrderBy(group => group.Key))
        {
            shop.Log.Write($"{group.Key}: {string.Join(", ", group.GroupBy(i => seen[i].Motion).Select(read => $"{read.Count()} {read.Key}"))}");
        }

        shop.Note("videos predicted rating", scores.Average(score => score[0]));
        shop.Note("videos true rating", scores.Average(score => score[1]));
        shop.Note("videos text similarity", scores.Average(score => score[2]));
        using Tensor painted = Painter.PaintFrames(
            [.. LatentStage.DrawVideos().Take(256).SelectMany(video => Enumerable.Range(0, ShapesVideo.Frames).Select(frame => (video, frame)))]);
        using Tensor ratings = TrueRating.Rate(painted);
        shop.Note("dull videos true rating", ratings.mean().item<float>());
        ContactSheet.Write(all.narrow(0, 0, Math.Min(OnTheSheet, shop.Videos)), Path.Combine(shop.Folder, "videos.png"));
        File.WriteAllText(Path.Combine(shop.Ship, "report.txt"), Text(shop));

        void Note(string name, Func<Subject, Subject, bool> same) =>
            shop.Note(name, rows.Zip(seen).Average(pair => same(pair.First.Subject, pair.Second) ? 1.0 : 0.0));
    }

    private static string Text(Workshop shop)
    {
        var text = new StringBuilder();
        text.AppendLine("MovingShapes: the embedded text-to-video world, trained by build/Microsoft.ML.VideoAlignment.MovingShapes.Training.");
        text.AppendLine(CultureInfo.InvariantCulture, $"Steps: autoencoder {Steps(shop, VaeStage.Name)}, denoiser and text encoder "
            + $"{string.Join(" + ", UNetStage.PartNames.Select(name => Steps(shop, name)))}, CLIP {Steps(shop, ClipStage.Name)}, heads "
            + $"{HeadStage.Plan.Steps} each, preference {Steps(shop, PreferenceStage.Name)}, action {Steps(shop, ActionStage.Name)}, detector "
            + $"{Steps(shop, DetectorStage.Name)}, V-JEPA {Steps(shop, ConsistencyStage.TeacherName)} + {Steps(shop, ConsistencyStage.Name)}; "
            + $"batches 16, 16, 128, 256, 64, 64, 64, 32.");
        text.AppendLine(CultureInfo.InvariantCulture,
            $"Videos: the first {shop.Videos} of prompts/unseen.tsv, seeds 0 to {shop.Videos - 1}, {SamplerSteps} steps, guidance {shop.Guidance:0.#}.");
        text.AppendLine("The trial is a PyTorch run of the same networks and data with eps-prediction; its judge was a network, its prompts were others and "
            + "its guidance 3.");
        text.AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"{"here",9} {"trial",9}  what");
        foreach ((string name, string meaning, double? trial) in s_rows)
        {
            text.AppendLine(CultureInfo.InvariantCulture,
                $"{shop.Figure(name),9:0.####} {(trial is { } value ? value.ToString("0.####", CultureInfo.InvariantCulture) : "-"),9}  {meaning}");
        }

        return text.ToString();
    }

    /// <summary>How many steps a stage has taken; 0 where it has not run.</summary>
    public static int Steps(Workshop shop, string stage)
    {
        if (!File.Exists(shop.StateFile(stage)))
        {
            return 0;
        }

        using var reader = new BinaryReader(File.OpenRead(shop.StateFile(stage)));
        return reader.ReadInt32();
    }
}
