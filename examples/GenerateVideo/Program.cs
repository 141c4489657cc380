// A saved alignment in another program: load aligned.zip, generate a film for a prompt, write it.
//   dotnet run -c Release --project examples/GenerateVideo -- "a red circle moving right on a dark background" film.gif out/align-aesthetic/aligned.zip
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;
using Microsoft.ML.VideoAlignment.Media;

string prompt = args.ElementAtOrDefault(0) ?? "a red circle moving right on a dark background";
string film = args.ElementAtOrDefault(1) ?? "film.gif";
string saved = args.ElementAtOrDefault(2) ?? Path.Combine("out", "align-aesthetic", "aligned.zip");
if (!File.Exists(saved))
{
    Console.Error.WriteLine($"GenerateVideo: no '{saved}'; examples/AlignAesthetic makes one");
    return 2;
}

#region readme-generate
var mlContext = new MLContext { GpuDeviceId = 0, FallbackToCpu = true };
mlContext.RegisterVideoAlignment();
using var aligned = (VideoAlignmentTransformer)mlContext.Model.Load(saved, out DataViewSchema _);
using var engine = mlContext.Model.CreatePredictionEngine<PromptRow, VideoRow>(aligned, new PredictionEngineOptions { OwnsTransformer = false });

float[] frames = engine.Predict(new PromptRow { Prompt = prompt }).Video; // [T, 3, H, W], RGB in [0, 1]
VideoFile.Write(film, new VideoClip(frames, aligned.Size.Frames, aligned.Size.Height, aligned.Size.Width), framesPerSecond: 8, scale: 6);
#endregion
Console.WriteLine($"{film}: '{prompt}', {aligned.Size.Frames} frames of {aligned.Size.Width} x {aligned.Size.Height}, by {aligned.BaseModel.Source} as aligned in {saved}");
return 0;

internal sealed class PromptRow
{
    public string Prompt { get; set; } = "";
}

internal sealed class VideoRow
{
    public float[] Video { get; set; } = [];
}
