using System.Globalization;
using Microsoft.ML.VideoAlignment;

namespace Examples;

/// <summary>A command line of "--option value" pairs, flags and plain words. Each is taken out as it is read; what is left at the end is unknown.</summary>
internal sealed class CommandLine
{
    private readonly List<string> _left;

    private CommandLine(string program, string[] arguments) => (Program, Arguments, _left) = (program, arguments, [.. arguments]);

    /// <summary>The program's name.</summary>
    public string Program { get; }

    /// <summary>All of the command line.</summary>
    public IReadOnlyList<string> Arguments { get; }

    /// <summary>
    /// Runs an example: help on request; one line on the error stream and exit code 2 for a <see cref="UsageException"/>, exit code 1 for what else goes wrong outside the
    /// program, such as a full disk or a model that a reward does not fit.
    /// </summary>
    public static int Run(string program, string help, string[] arguments, Func<CommandLine, int> run)
    {
        if (arguments.Any(argument => argument is "--help" or "-h" or "-?"))
        {
            Console.WriteLine(help);
            return 0;
        }

        try
        {
            return run(new CommandLine(program, arguments));
        }
        catch (Exception error) when (error is UsageException or IOException or UnauthorizedAccessException or DllNotFoundException or InsufficientMemoryException
            or RewardContractException or TrainingStepException)
        {
            Console.Error.WriteLine($"{program}: {error.Message.ReplaceLineEndings(" ")}");
            return error is UsageException ? 2 : 1;
        }
    }

    /// <summary>Opens what an option names; if that cannot be, the user is told by <paramref name="option"/>.</summary>
    public static T Open<T>(string option, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException or InvalidDataException or TimeoutException)
        {
            // Errors of files name their file; an option that is that path is not said twice.
            throw new UsageException(error.Message.StartsWith(option, StringComparison.Ordinal) ? error.Message : $"{option}: {error.Message}");
        }
    }

    /// <summary>The option's value, or null; of several the last.</summary>
    public string? Text(string option)
    {
        string? value = null;
        for (int at = _left.IndexOf(option); at >= 0; at = _left.IndexOf(option))
        {
            value = at + 1 < _left.Count ? _left[at + 1] : throw new UsageException($"{option} needs a value; see --help");
            _left.RemoveRange(at, 2);
        }

        return value;
    }

    /// <summary>Whether an option without a value is there.</summary>
    public bool Flag(string option) => _left.RemoveAll(word => word == option) > 0;

    public int Number(string option, int otherwise, int minimum) =>
        Text(option) is not { } value ? otherwise
        : int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= minimum ? number
        : throw new UsageException($"{option} must be a whole number of at least {minimum}, got '{value}'");

    /// <summary>A weight: a finite number, 0 or above.</summary>
    public float Weight(string option, float otherwise) =>
        Text(option) is not { } value ? otherwise
        : float.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out float number) && float.IsFinite(number) && number >= 0 ? number
        : throw new UsageException($"{option} must be a number of at least 0, got '{value}'");

    public string Choice(string option, params string[] choices) =>
        Text(option) is not { } value ? choices[0]
        : choices.Contains(value) ? value
        : throw new UsageException($"{option} must be {string.Join(" or ", choices)}, got '{value}'");

    /// <summary>The path of a file or folder that is there, or null.</summary>
    public string? Existing(string option) =>
        Text(option) is not { } path ? null : Path.Exists(path) ? path : throw new UsageException($"{option}: '{path}' does not exist");

    /// <summary>Refuses options that would change nothing without another one.</summary>
    public static void RequireFor(string needed, params IReadOnlyList<(string Option, bool Given)> options)
    {
        if (options.FirstOrDefault(option => option.Given) is { Option: { } idle })
        {
            throw new UsageException($"{idle} changes nothing without {needed}; see --help");
        }
    }

    /// <summary>The words that belong to no option, once every option was read.</summary>
    public IReadOnlyList<string> Words() =>
        _left.FirstOrDefault(word => word.StartsWith("--", StringComparison.Ordinal)) is { } unknown ? throw Unknown(unknown) : _left;

    /// <summary>Refuses whatever was not read.</summary>
    public void End()
    {
        if (_left.Count > 0)
        {
            throw Unknown(_left[0]);
        }
    }

    private static UsageException Unknown(string word) => new($"unknown option '{word}'; see --help");
}

/// <summary>The user asked for something that cannot be: one line on the error stream, exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
