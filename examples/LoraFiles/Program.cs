// LoRA weights between the formats of peft, diffusers, VADER, cloneofsimo and kohya.
//   dotnet run -c Release --project examples/LoraFiles
//   dotnet run -c Release --project examples/LoraFiles -- peft_model_100.pt converted --format Peft --model VideoCrafter/model.ckpt
using Microsoft.ML.VideoAlignment;

string help = $"""
    Converts LoRA weights between file formats; without words, shows all formats on a short alignment of the embedded model.

    dotnet run -c Release --project examples/LoraFiles -- [FROM TO] [options]

      FROM             a file or folder of peft or diffusers; its format is recognized
      TO               the file or peft folder to write
      --format NAME    {string.Join(", ", Enum.GetNames<LoraFormat>())} (default {LoraFormat.Diffusers})
      --model PATH     the base model that the weights are for (default: the embedded text-to-video model)
      --alpha A        the alpha of VADER's files, which do not hold it (default 8)
      --strength S     how much of the weights is kept, 0 to 1 and beyond (default 1)
      --help           this text
    """;

return CommandLine.Run("LoraFiles", help, args, Run);

static int Run(CommandLine line)
{
    string[] ofConversion = [.. new[] { "--format", "--alpha", "--strength" }.Intersect(line.Arguments)];
    LoraFormat format = Enum.Parse<LoraFormat>(line.Choice("--format", [nameof(LoraFormat.Diffusers), .. Enum.GetNames<LoraFormat>()]));
    string? path = line.Existing("--model");
    float alpha = line.Weight("--alpha", -1);
    LoraFileOptions fileOptions = alpha < 0 ? new() : new() { Alpha = alpha };
    float strength = line.Weight("--strength", 1);
    IReadOnlyList<string> words = line.Words();
    if (words.Count is not (0 or 2))
    {
        throw new UsageException($"expected FROM and TO, or neither; got {words.Count} words; see --help");
    }

    if (words.Count == 0)
    {
        CommandLine.RequireFor("FROM and TO", [.. ofConversion.Select(option => (option, true))]);
    }
    else
    {
        TargetFile.Require("TO", words[1], mayBeFolder: true);
    }

    using VideoDiffusionModel model = path is null
        ? MovingShapesModels.TextToVideo()
        : CommandLine.Open("--model", () => VideoDiffusionModel.FromPretrained(path));
    if (words.Count == 0)
    {
        return AllFormats.Show(model);
    }

    IReadOnlyList<string> notes = CommandLine.Open(words[0], () =>
    {
        #region readme-convert
        var lora = new VideoLora(words[0]) { FileOptions = fileOptions, Strength = strength };
        IReadOnlyList<string> leftOut = lora.Convert(model, words[1], format, fileOptions);
        #endregion
        return leftOut;
    });
    foreach (string note in notes)
    {
        Console.Error.WriteLine($"LoraFiles: {note}");
    }

    Console.WriteLine($"{words[1]}: {format} of {words[0]}");
    return 0;
}
