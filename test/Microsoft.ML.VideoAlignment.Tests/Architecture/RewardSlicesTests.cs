namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A reward's folder sees what all rewards share and no other reward's; only the catalog sees them all. Read from the sources.</summary>
public class RewardSlicesTests
{
    private const string Room = "src/Microsoft.ML.VideoAlignment/Rewards";

    /// <summary>Folders whose types any reward may use; their namespace is the room's.</summary>
    private static readonly string[] s_shared = ["Abstractions", "Shared", "MovingShapes"];

    [Test]
    public void ARewardSeesNoOther()
    {
        Dictionary<string, string> sources = Repository.Files(Room, "*.cs")
            .ToDictionary(path => path, path => CSharpTokens.Code(Repository.Read(path)), StringComparer.Ordinal);
        string[] slices = [.. sources.Keys.Select(Folder).Where(folder => folder.Length > 0).Distinct().Except(s_shared)];
        Assert.That(slices, Has.Length.GreaterThan(4));
        using (Assert.EnterMultipleScope())
        {
            foreach ((string path, string code) in sources.Where(source => Folder(source.Key).Length > 0))
            {
                Assert.That(slices.Where(slice => slice != Folder(path) && Sees(code, slice)), Is.Empty, path);
            }
        }
    }

    [TestCase("using Microsoft.ML.VideoAlignment.Rewards.VJepa;", true)]
    [TestCase("VJepa.Tokens.Gather(x, mask)", true)]
    [TestCase("new VJepaOptions()", false)]
    public void AnotherRewardIsSeenHoweverItIsNamed(string code, bool seen) => Assert.That(Sees(CSharpTokens.Code(code), "VJepa"), Is.EqualTo(seen));

    private static bool Sees(string code, string slice) => CSharpTokens.Read(code) is var tokens
        && Enumerable.Range(0, tokens.Count).Any(at => tokens[at] == slice
            && ((at > 0 && tokens[at - 1] == ".") || (at + 1 < tokens.Count && tokens[at + 1] == ".")));

    private static string Folder(string path) => path[(Room.Length + 1)..].Split('/') is { Length: > 1 } parts ? parts[0] : "";
}
