using System.Runtime.CompilerServices;

namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>Collects what is wrong with a record of options, one sentence each.</summary>
/// <param name="record">The name under which messages know the record, such as "Lora".</param>
internal sealed class OptionFaults(string record)
{
    private readonly List<string> _faults = [];

    /// <summary>The faults so far, in the order in which they were found.</summary>
    public IReadOnlyList<string> All => _faults;

    /// <summary>Names an option as messages do: "Lora.Rank".</summary>
    /// <typeparam name="T">The option's type.</typeparam>
    /// <param name="option">The option, read from a variable that holds all options: <c>options.Lora.Rank</c>.</param>
    /// <param name="expression">The expression, which the compiler gives.</param>
    public static string Name<T>(T option, [CallerArgumentExpression(nameof(option))] string expression = "") => expression[(expression.IndexOf('.') + 1)..];

    /// <summary>Adds a fault of an option.</summary>
    /// <param name="name">The option's name within the record.</param>
    /// <param name="fault">The rest of the sentence, such as "must be at least 1, got 0."</param>
    public void Add(string name, string fault) => _faults.Add($"{record}.{name} {fault}");

    /// <summary>Adds a fault unless a condition holds.</summary>
    /// <typeparam name="T">The option's type.</typeparam>
    /// <param name="holds">The condition.</param>
    /// <param name="value">The option.</param>
    /// <param name="expected">What the option must be, as the end of a sentence.</param>
    /// <param name="name">The option's name within the record, which the compiler gives.</param>
    public void Require<T>(bool holds, T value, string expected, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (!holds)
        {
            string given = value is null ? "null" : value is string text ? $"'{Quotation.Shorten(text)}'" : $"{value}";
            Add(name, $"must be {expected}, got {given}.");
        }
    }

    /// <summary>Adds a sentence of other code, which names the options of this record itself.</summary>
    /// <param name="sentence">The sentence.</param>
    public void Add(string sentence) => _faults.Add($"{record}: {sentence}");

    /// <summary>
    /// Adds what other code says against an option when it makes something of it. Does nothing where there are faults already: the code rests on what they say.
    /// </summary>
    /// <typeparam name="TException">What the code throws where the option is wrong.</typeparam>
    /// <param name="name">The option's name within the record.</param>
    /// <param name="make">Makes something of the option.</param>
    public void Try<TException>(string name, Action make)
        where TException : Exception
    {
        if (_faults.Count > 0)
        {
            return;
        }

        try
        {
            make();
        }
        catch (TException error)
        {
            _faults.Add($"{record}.{name}: {Sentence(error)}");
        }
    }

    /// <summary>The message of other code without the parameter of that code, which the user has not named.</summary>
    /// <param name="error">What the code threw.</param>
    public static string Sentence(Exception error)
    {
        string parameter = error is ArgumentException { ParamName: { Length: > 0 } name } ? $" (Parameter '{name}')" : "";
        int end = parameter.Length == 0 ? -1 : error.Message.IndexOf(parameter, StringComparison.Ordinal);
        return end < 0 ? error.Message : error.Message[..end];
    }
}
