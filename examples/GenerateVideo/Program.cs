// A saved alignment in another program: load aligned.zip, generate a video for a prompt, write it.
//   dotnet run -c Release --project examples/GenerateVideo -- "a red circle moving right on a dark background" video.gif out/align-aesthetic/aligned.zip
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;
using Microsoft.ML.VideoAlignment.Media;

string help = $"""
    Generates a video for a prompt with a saved alignment.

    dotnet run -c Release --project examples/GenerateVideo -- [PROMPT [VIDEO [SAVED]]]

      PROMPT             default: a red circle moving right on a dark background
      VIDEO              the file to write, {string.Join(", ", VideoFile.Extensions)} (default video.gif)
      SAVED              default out/align-aesthetic/aligned.zip, which examples/AlignAesthetic makes
      --help             this text
    """;

return CommandLine.Run("GenerateVideo", help, args, line =>
{
    IReadOnlyList<string> words = line.Words();
    if (words.Count > 3)
    {
        throw new UsageException(
            $"expected at most a prompt, a video and a saved alignment, got {words.Count} words (a prompt of several words stands in quotes); see --help");
    }

    string prompt = words.ElementAtOrDefault(0) ?? "a red circle moving right on a dark background";
    string video = words.ElementAtOrDefault(1) ?? "video.gif";
    string saved = words.ElementAtOrDefault(2) ?? Path.Combine("out", "align-aesthetic", "aligned.zip");
    if (!File.Exists(saved))
    {
        throw new UsageException($"no '{saved}'; examples/AlignAesthetic makes one");
    }

    if (!VideoFile.Extensions.Contains(Path.GetExtension(video), StringComparer.OrdinalIgnoreCase))
    {
        throw new UsageException($"'{video}': expected a video of {string.Join(", ", VideoFile.Extensions)}");
    }

    TargetFile.Require("VIDEO", video);

    #region readme-generate
    var mlContext = new MLContext { GpuDeviceId = 0, FallbackToCpu = true };
    mlContext.RegisterVideoAlignment();
    using var aligned = (VideoAlignmentTransformer)mlContext.Model.Load(saved, out DataViewSchema _);
    using var engine = mlContext.Model.CreatePredictionEngine<PromptRow, VideoRow>(aligned, new PredictionEngineOptions { OwnsTransformer = false });

    float[] frames = engine.Predict(new PromptRow { Prompt = prompt }).Video; // [T, 3, H, W], RGB in [0, 1]
    VideoFile.Write(video, new VideoClip(frames, aligned.Size.Frames, aligned.Size.Height, aligned.Size.Width), framesPerSecond: 8, scale: 6);
    #endregion
    VideoSize size = aligned.Size;
    Console.WriteLine($"{video}: '{prompt}', {size.Frames} frames of {size.Width} x {size.Height}, by {aligned.BaseModel.Source} as aligned in {saved}");
    return 0;
});

internal sealed class PromptRow
{
    public string Prompt { get; set; } = "";
}

internal sealed class VideoRow
{
    public float[] Video { get; set; } = [];
}
