using Microsoft.ML.VideoAlignment;

namespace AlignAesthetic;

/// <summary>The settings of the command line.</summary>
internal sealed record Settings
{
    private const string Name = "align-aesthetic";
    private const int Steps = 50;

    public static string Help { get; } = $"""
        Aligns a text-to-video model to an aesthetic reward and shows what came of it.

        dotnet run -c Release --project examples/AlignAesthetic -- [options]

          --reward NAME      mix        aesthetic + text similarity: prompts stay obeyed (default)
                             aesthetic  the head alone: shows over-optimization when run long
          --model FOLDER     an official model that makes videos from texts, in place of the embedded MovingShapes;
                             needs --clip, --head, --prompts and --unseen
          --clip FOLDER      CLIP ViT-L/14 folder, for --model
          --head FILE        LAION aesthetic head, for --model
          --prompts FILE     tab-separated training prompts with a header, the prompt first
          --unseen FILE      the same, for prompts not used in alignment
        {RunSettings.Help(Name, Steps)}
        """;

    public required RunSettings Run { get; init; }

    public required string Reward { get; init; }

    public string? Model { get; init; }

    public string? Clip { get; init; }

    public string? Head { get; init; }

    public string? Prompts { get; init; }

    public string? Unseen { get; init; }

    /// <summary>Reads the command line.</summary>
    /// <param name="line">The command line.</param>
    /// <exception cref="UsageException">An option is unknown, lacks its value, or has a wrong one.</exception>
    public static Settings Parse(CommandLine line)
    {
        var settings = new Settings
        {
            Run = RunSettings.Read(line, Name, Steps),
            Reward = line.Choice("--reward", "mix", "aesthetic"),
            Model = line.Existing("--model"),
            Clip = line.Existing("--clip"),
            Head = line.Existing("--head"),
            Prompts = line.Existing("--prompts"),
            Unseen = line.Existing("--unseen"),
        };
        line.End();
        if (settings.Model is null)
        {
            CommandLine.RequireFor("--model", ("--clip", settings.Clip is not null), ("--head", settings.Head is not null));
        }

        return settings.Model is not null && new[] { settings.Clip, settings.Head, settings.Prompts, settings.Unseen }.Contains(null)
            ? throw new UsageException("--model needs --clip, --head, --prompts and --unseen; see --help")
            : settings;
    }

    /// <summary>Opens the model.</summary>
    /// <returns>A model that the caller disposes.</returns>
    /// <exception cref="UsageException">It cannot be read, or this example cannot align it, such as one that makes videos from images.</exception>
    public VideoDiffusionModel OpenModel()
    {
        VideoDiffusionModel model = CommandLine.Open(
            "--model", () => Model is null ? MovingShapesModels.TextToVideo() : VideoDiffusionModel.FromPretrained(Model));
        try
        {
            _ = new VideoAlignmentOptions().ResolveFor(model);
            return model;
        }
        catch (ArgumentException error)
        {
            model.Dispose();
            throw new UsageException(
                $"--model: '{Model}' is a {model.Family} model, which this example cannot align, since it has texts only and the model's own size: "
                + $"{error.Message} examples/ImageToVideo shows how images are given");
        }
    }
}
