using Microsoft.ML;
using Microsoft.ML.VideoAlignment;
using Spectre.Console;

namespace Examples;

/// <summary>A short alignment, saved in every format that can hold it and read back: the videos must be the same.</summary>
internal static class AllFormats
{
    private static readonly LoraFormat[] s_ofAttentions =
        [LoraFormat.Peft, LoraFormat.Diffusers, LoraFormat.DiffusersDown, LoraFormat.DiffusersProcessor, LoraFormat.Vader, LoraFormat.Kohya];

    private static readonly LoraFormat[] s_ofAllLayers = [LoraFormat.Peft, LoraFormat.Diffusers, LoraFormat.Cloneofsimo, LoraFormat.Kohya];

    /// <summary>Runs the alignments and prints the table.</summary>
    /// <param name="model">The base model.</param>
    /// <returns>The exit code: 0 if every file gives the same video.</returns>
    public static int Show(VideoDiffusionModel model)
    {
        string folder = Directory.CreateTempSubdirectory("lora-files").FullName;
        var table = new Table().AddColumns("adapted layers", "format", "kB", "recognized as", "largest difference of a video");
        try
        {
            bool same = Rows(model, LoraLayers.AttentionQkv, s_ofAttentions, folder, table) & Rows(model, LoraLayers.All, s_ofAllLayers, folder, table);
            AnsiConsole.Write(table);
            Console.WriteLine(same ? "Every file gives the same video bit for bit." : "A file gives another video.");
            return same ? 0 : 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static bool Rows(VideoDiffusionModel model, LoraLayers layers, LoraFormat[] formats, string folder, Table table)
    {
        var mlContext = new MLContext(seed: 1);
        IDataView prompt = mlContext.Data.LoadFromEnumerable([new PromptRow { Prompt = "a red circle moving right on a dark background" }]);
        using VideoReward redness = VideoRewards.Custom("redness", static (frames, _) => frames.select(1, 0).mean([1, 2, 3]));

        // Rank = alpha: scale 1, the only one that diffusers' oldest form and lists without names can hold.
        var options = new VideoAlignmentOptions
        {
            Sampling = new() { Steps = 8, GuidanceScale = 1.5 },
            Lora = new() { Layers = layers, Rank = 4, Alpha = 4 },
            Optimizer = new() { Steps = 3, LearningRate = 1e-3 },
        };
        using VideoAlignmentTransformer aligned = mlContext.Transforms.AlignVideoDiffusion("Video", "Prompt", model, redness, options).Fit(prompt);
        float[] video = Video(aligned);
        var fileOptions = new LoraFileOptions { Alpha = options.Lora.Alpha };
        bool same = true;
        foreach (LoraFormat format in formats)
        {
            string path = Path.Combine(folder, $"{layers}-{format}");
            aligned.SaveAdapters(path, format, fileOptions);
            var lora = new VideoLora(path) { FileOptions = fileOptions };
            using VideoAlignmentTransformer again = mlContext.Transforms.GenerateVideo("Video", "Prompt", model, options.Sampling, [lora], options.Seed)
                .Fit(prompt);
            float difference = Video(again).Zip(video, (a, b) => Math.Abs(a - b)).Max();
            same &= difference == 0;
            table.AddRow($"{layers}", $"{format}", $"{Bytes(path) / 1000.0:0}", $"{lora.DetectedFormat}", $"{difference}");
        }

        return same;

        float[] Video(VideoAlignmentTransformer transformer) =>
            mlContext.Data.CreateEnumerable<VideoRow>(transformer.Transform(prompt), reuseRowObject: false).Single().Video;
    }

    private static long Bytes(string path) =>
        Directory.Exists(path) ? new DirectoryInfo(path).EnumerateFiles().Sum(file => file.Length) : new FileInfo(path).Length;

    private sealed class PromptRow
    {
        public string Prompt { get; set; } = "";
    }

    private sealed class VideoRow
    {
        public float[] Video { get; set; } = [];
    }
}
