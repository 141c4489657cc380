using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>The settings of a reward as versions before 0.2 wrote them: texts by name. Definitions turn them into settings of today.</summary>
/// <param name="kind">The reward's kind, for errors.</param>
/// <param name="arguments">What stands in the file.</param>
internal sealed class OldRewardArguments(string kind, IReadOnlyDictionary<string, string> arguments)
{
    /// <summary>All of them.</summary>
    public IReadOnlyDictionary<string, string> All => arguments;

    /// <summary>Reads a text.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="InvalidDataException">There is none of this name.</exception>
    public string Text(string name) => arguments.GetValueOrDefault(name)
        ?? throw new InvalidDataException($"The model's reward {kind} lacks its argument '{name}'.");

    /// <summary>Reads a number or truth value.</summary>
    /// <typeparam name="T">What it is.</typeparam>
    /// <param name="name">Its name.</param>
    /// <exception cref="InvalidDataException">There is none of this name, or it has another form.</exception>
    public T Parse<T>(string name)
        where T : IParsable<T> => T.TryParse(Text(name), CultureInfo.InvariantCulture, out T? value) ? value : throw Unreadable(name);

    /// <summary>Reads how weights are stored, also by the names of versions before 0.2.</summary>
    /// <param name="name">The argument's name.</param>
    /// <exception cref="InvalidDataException">There is none of this name, or it names no precision.</exception>
    public WeightPrecision Precision(string name) => WeightPrecisionNames.Find(Text(name)) ?? throw Unreadable(name);

    private InvalidDataException Unreadable(string name) =>
        new($"The model's reward {kind} has '{arguments[name]}' as its argument '{name}', which this version of the library cannot read.");
}
