using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>Everything that decides what a run computes besides its state, for comparison with the run that wrote a state.</summary>
/// <param name="Facts">Names are unique within a kind.</param>
internal sealed record RunFingerprint(IReadOnlyList<RunFact> Facts)
{
    /// <summary>Writes the facts as JSON, without what a change means: the reader decides that.</summary>
    public string ToJson() => new JsonArray([.. Facts.Select(fact => (JsonNode)new JsonArray(fact.Kind, fact.Name, fact.Value))]).ToJsonString();

    /// <summary>Reads the facts of a state.</summary>
    /// <param name="json">A text from <see cref="ToJson"/>.</param>
    /// <exception cref="FormatException">The text is not from <see cref="ToJson"/>.</exception>
    public static IReadOnlyDictionary<(string Kind, string Name), string> Parse(string json)
    {
        try
        {
            return JsonSerializer.Deserialize<string[][]>(json)!.ToDictionary(fact => (fact[0], fact[1]), fact => fact[2]);
        }
        catch (Exception error) when (error is JsonException or ArgumentException or NullReferenceException or IndexOutOfRangeException)
        {
            throw new FormatException("the list of what the run was made with cannot be read", error);
        }
    }

    /// <summary>Finds what differs from the facts of a state.</summary>
    /// <param name="recorded">From <see cref="Parse"/>.</param>
    /// <returns>The present facts that have another value, and what that was.</returns>
    public IReadOnlyList<(RunFact Now, string Before)> FindDifferences(IReadOnlyDictionary<(string Kind, string Name), string> recorded) =>
    [
        .. Facts.Select(fact => (Now: fact, Before: recorded.GetValueOrDefault((fact.Kind, fact.Name), "not recorded")))
            .Where(pair => pair.Before != pair.Now.Value),
    ];

    /// <summary>Describes differences as a phrase: "LearningRate was 0.001 and is 0.01; ...".</summary>
    /// <param name="differences">From <see cref="FindDifferences"/>, of one kind.</param>
    public static string Describe(IEnumerable<(RunFact Now, string Before)> differences) =>
        string.Join("; ", differences.Select(pair => $"{pair.Now.Name} was {Quotation.Shorten(pair.Before)} and is {Quotation.Shorten(pair.Now.Value)}"));
}
