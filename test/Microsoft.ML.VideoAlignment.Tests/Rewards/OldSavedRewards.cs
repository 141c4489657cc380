using System.Text.Json;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>References to rewards as versions before 0.2 wrote them: settings are texts by name, and precisions have other names.</summary>
internal static class OldSavedRewards
{
    public const string ObjectRemoval = """
        {"Kind": "MovingShapesObjectRemoval", "Files": {}, "Parts": [],
         "Arguments": {"label": "circle", "threshold": "0.35", "height": "32", "precision": "Full", "sha256": "HASH"}}
        """;

    public const string Action = """
        {"Kind": "MovingShapesAction", "Files": {}, "Parts": [],
         "Arguments": {"logProbability": "True", "precision": "Half", "prompt:swells": "growing", "prompt:growing": "growing", "sha256": "HASH"}}
        """;

    public const string Mix = """
        {"Kind": "Mix", "Files": {}, "Arguments": {"moments": "3 0.5 0.25;2 1 0"}, "Parts": [
         {"Weight": 1.5, "Reward": {"Kind": "MovingShapesTrueRating", "Files": {}, "Arguments": {}, "Parts": []}},
         {"Weight": 2, "Reward": {"Kind": "MovingShapesTrueRating", "Files": {}, "Arguments": {}, "Parts": []}}]}
        """;

    /// <summary>A reward of files.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="arguments">JSON of its arguments.</param>
    /// <param name="files">Its files.</param>
    public static string OfFiles(string kind, string arguments, IReadOnlyDictionary<string, FileReference> files) =>
        "{\"Kind\": \"" + kind + "\", \"Parts\": [], \"Arguments\": " + arguments + ", \"Files\": " + JsonSerializer.Serialize(files) + "}";
}
