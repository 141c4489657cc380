using System.Globalization;
using Microsoft.ML.VideoAlignment;

namespace Examples;

/// <summary>A command line of "--option value" pairs, flags and plain words. Each is removed as it is read; what is left at the end is unknown.</summary>
internal sealed class CommandLine
{
    private readonly List<string> _left;

    private CommandLine(string program, string[] arguments) => (Program, Arguments, _left) = (program, arguments, [.. arguments]);

    /// <summary>The program's name.</summary>
    public string Program { get; }

    /// <summary>All of the command line.</summary>
    public IReadOnlyList<string> Arguments { get; }

    /// <summary>
    /// Runs an example, or prints its help. A <see cref="UsageException"/> becomes one line on the error stream and exit code 2; what else goes wrong outside
    /// the program, such as a full disk or a model that a reward does not fit, exit code 1.
    /// </summary>
    /// <param name="program">The program's name.</param>
    /// <param name="help">The text of --help.</param>
    /// <param name="arguments">The command line.</param>
    /// <param name="run">The program; it returns the exit code.</param>
    /// <returns>The exit code.</returns>
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
        catch (Exception error) when (error is UsageException or IOException or UnauthorizedAccessException or DllNotFoundException
            or InsufficientMemoryException or RewardContractException or TrainingStepException)
        {
            Console.Error.WriteLine($"{program}: {error.Message.ReplaceLineEndings(" ")}");
            return error is UsageException ? 2 : 1;
        }
    }

    /// <summary>Opens what an option names, and turns what goes wrong into an error that names the option.</summary>
    /// <typeparam name="T">What is opened.</typeparam>
    /// <param name="option">The option, as the user wrote it.</param>
    /// <param name="open">Opens it.</param>
    /// <exception cref="UsageException">It cannot be opened.</exception>
    public static T Open<T>(string option, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException or InvalidDataException
            or TimeoutException)
        {
            // Errors of files begin with their file: an option that is that path is not repeated.
            throw new UsageException(error.Message.StartsWith(option, StringComparison.Ordinal) ? error.Message : $"{option}: {error.Message}");
        }
    }

    /// <summary>Reads an option's value; of several the last.</summary>
    /// <param name="option">The option, with its dashes.</param>
    /// <returns>The value; null: the option is not there.</returns>
    /// <exception cref="UsageException">The option has no value.</exception>
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

    /// <summary>Reads an option without a value.</summary>
    /// <param name="option">The option, with its dashes.</param>
    /// <returns>Whether it is there.</returns>
    public bool Flag(string option) => _left.RemoveAll(word => word == option) > 0;

    /// <summary>Reads a whole number.</summary>
    /// <param name="option">The option, with its dashes.</param>
    /// <param name="otherwise">The value where the option is not there.</param>
    /// <param name="minimum">The least that is taken.</param>
    /// <exception cref="UsageException">The value is not such a number.</exception>
    public int Number(string option, int otherwise, int minimum) =>
        Text(option) is not { } value ? otherwise
        : int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= minimum ? number
        : throw new UsageException($"{option} must be a whole number of at least {minimum}, got '{value}'");

    /// <summary>Reads a weight: a finite number, 0 or above.</summary>
    /// <param name="option">The option, with its dashes.</param>
    /// <param name="otherwise">The value where the option is not there.</param>
    /// <exception cref="UsageException">The value is not such a number.</exception>
    public float Weight(string option, float otherwise) =>
        Text(option) is not { } value ? otherwise
        : float.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out float number) && float.IsFinite(number) && number >= 0 ? number
        : throw new UsageException($"{option} must be a number of at least 0, got '{value}'");

    /// <summary>Reads one of several words.</summary>
    /// <param name="option">The option, with its dashes.</param>
    /// <param name="choices">The words that are taken; the first where the option is not there.</param>
    /// <exception cref="UsageException">The value is none of them.</exception>
    public string Choice(string option, params string[] choices) =>
        Text(option) is not { } value ? choices[0]
        : choices.Contains(value) ? value
        : throw new UsageException($"{option} must be {string.Join(" or ", choices)}, got '{value}'");

    /// <summary>Reads the path of a file or folder.</summary>
    /// <param name="option">The option, with its dashes.</param>
    /// <returns>The path; null: the option is not there.</returns>
    /// <exception cref="UsageException">There is nothing at the path.</exception>
    public string? Existing(string option) =>
        Text(option) is not { } path ? null : Path.Exists(path) ? path : throw new UsageException($"{option}: '{path}' does not exist");

    /// <summary>Refuses options that change nothing without another one.</summary>
    /// <param name="needed">What they need, as the error names it.</param>
    /// <param name="options">The options, and whether each is there.</param>
    /// <exception cref="UsageException">One of them is there.</exception>
    public static void RequireFor(string needed, params IReadOnlyList<(string Option, bool Given)> options)
    {
        if (options.FirstOrDefault(option => option.Given) is { Option: { } idle })
        {
            throw new UsageException($"{idle} changes nothing without {needed}; see --help");
        }
    }

    /// <summary>Reads the words that belong to no option; to be called once every option was read.</summary>
    /// <exception cref="UsageException">One of them looks like an option.</exception>
    public IReadOnlyList<string> Words() =>
        _left.FirstOrDefault(word => word.StartsWith("--", StringComparison.Ordinal)) is { } unknown ? throw Unknown(unknown) : _left;

    /// <summary>Refuses whatever was not read.</summary>
    /// <exception cref="UsageException">Something is left.</exception>
    public void End()
    {
        if (_left.Count > 0)
        {
            throw Unknown(_left[0]);
        }
    }

    private static UsageException Unknown(string word) => new($"unknown option '{word}'; see --help");
}

/// <summary>The user asked for something that cannot be done: one line on the error stream, exit code 2.</summary>
/// <param name="message">The line, without the program's name.</param>
internal sealed class UsageException(string message) : Exception(message);
