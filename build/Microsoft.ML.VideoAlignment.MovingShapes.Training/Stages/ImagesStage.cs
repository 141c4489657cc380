using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>Paints the images that videos of the image-to-video model can begin with, to align on and to compare on; nothing is trained.</summary>
internal static class ImagesStage
{
    public const string Name = "images";

    private const int Stream = 210;

    public static void Run(Workshop shop)
    {
        string folder = Path.Combine(shop.Ship, "images");
        Write(folder, "train", count: 64, Stream);
        Write(folder, "unseen", count: 48, Stream + 1);
    }

    /// <summary>NAME.tsv with a header, and NAME/00.png, 01.png, ...; every second one is as dull as the aesthetic head dislikes.</summary>
    private static void Write(string folder, string name, int count, int stream)
    {
        using DisposeScope scope = NewDisposeScope();
        Random random = StepRandom.Numbers(stream, 0);
        Excerpt[] excerpts = [.. Enumerable.Range(0, count).Select(i => Excerpt.BeginningOf(ShapesVideo.Draw(random, dull: i % 2 == 0)))];
        Tensor images = Excerpt.PaintFirst(excerpts);
        Directory.CreateDirectory(Path.Combine(folder, name));
        var rows = new List<string> { "Image\tPrompt" };
        for (int i = 0; i < count; i++)
        {
            string file = $"{name}/{i:00}.png";
            ContactSheet.WriteImage(images[i], Path.Combine(folder, file));
            Subject subject = excerpts[i].Subject;
            rows.Add($"{file}\ta {Attributes.Colors[subject.Color]} {Attributes.Shapes[(int)subject.Shape]} on a "
                + $"{Attributes.Backgrounds[subject.Background]} background");
        }

        File.WriteAllText(Path.Combine(folder, $"{name}.tsv"), string.Join('\n', rows) + "\n");
    }
}
