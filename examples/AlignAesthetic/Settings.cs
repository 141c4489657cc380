using System.Globalization;

namespace AlignAesthetic;

/// <summary>What the command line says.</summary>
internal sealed record Settings
{
    public const string Help = """
        Aligns a text-to-video model to an aesthetic reward and shows what came of it.

        dotnet run -c Release --project examples/AlignAesthetic -- [options]

          --steps N          optimizer steps (default 40)
          --reward NAME      mix        aesthetic + text similarity: prompts stay obeyed (default)
                             aesthetic  the head alone: shows over-optimization when run long
          --seed N           seed of everything random (default 1)
          --out FOLDER       where the results go (default out/align-aesthetic); a former result there is replaced
          --films N          unseen prompts to compare on, at least 2 (default 32)
          --model FOLDER     an official model folder in diffusers form, in place of the embedded MovingShapes;
                             needs --clip, --head, --prompts and --unseen
          --clip FOLDER      CLIP ViT-L/14 folder, for --model
          --head FILE        LAION aesthetic head, for --model
          --prompts FILE     tab-separated training prompts with a header, the prompt first
          --unseen FILE      the same, for prompts not used in alignment
          --help             this text
        """;

    public int Steps { get; private set; } = 40;

    public string Reward { get; private set; } = "mix";

    public int Seed { get; private set; } = 1;

    public string Out { get; private set; } = Path.Combine("out", "align-aesthetic");

    public int Films { get; private set; } = 32;

    public string? Model { get; private set; }

    public string? Clip { get; private set; }

    public string? Head { get; private set; }

    public string? Prompts { get; private set; }

    public string? Unseen { get; private set; }

    public bool WantsHelp { get; private set; }

    /// <exception cref="UsageException">An option is unknown, lacks its value, or has a wrong one.</exception>
    public static Settings Parse(IReadOnlyList<string> arguments)
    {
        var settings = new Settings();
        for (int at = 0; at < arguments.Count; at++)
        {
            string option = arguments[at];
            if (option is "--help" or "-h" or "-?")
            {
                settings.WantsHelp = true;
                return settings;
            }

            string Value() => ++at < arguments.Count ? arguments[at] : throw new UsageException($"{option} needs a value; see --help");
            switch (option)
            {
                case "--steps": settings.Steps = Number(option, Value(), minimum: 1); break;
                case "--seed": settings.Seed = Number(option, Value(), minimum: 0); break;
                case "--films": settings.Films = Number(option, Value(), minimum: 2); break;
                case "--reward": settings.Reward = Choice(option, Value(), "mix", "aesthetic"); break;
                case "--out": settings.Out = Value(); break;
                case "--model": settings.Model = Existing(option, Value()); break;
                case "--clip": settings.Clip = Existing(option, Value()); break;
                case "--head": settings.Head = Existing(option, Value()); break;
                case "--prompts": settings.Prompts = Existing(option, Value()); break;
                case "--unseen": settings.Unseen = Existing(option, Value()); break;
                default: throw new UsageException($"unknown option '{option}'; see --help");
            }
        }

        if (settings.Model is not null && new[] { settings.Clip, settings.Head, settings.Prompts, settings.Unseen }.Contains(null))
        {
            throw new UsageException("--model needs --clip, --head, --prompts and --unseen; see --help");
        }

        return settings;
    }

    private static int Number(string option, string value, int minimum) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= minimum
            ? number
            : throw new UsageException($"{option} must be a whole number of at least {minimum}, got '{value}'");

    private static string Choice(string option, string value, params string[] choices) =>
        choices.Contains(value) ? value : throw new UsageException($"{option} must be {string.Join(" or ", choices)}, got '{value}'");

    private static string Existing(string option, string path) =>
        Path.Exists(path) ? path : throw new UsageException($"{option}: '{path}' does not exist");
}

/// <summary>The user asked for something that cannot be: one line on the error stream, exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
