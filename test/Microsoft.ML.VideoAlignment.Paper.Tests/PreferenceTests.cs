using System.Text.RegularExpressions;
using Examples;
using Microsoft.ML.VideoAlignment.Paper;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The kit that asks people, and the count of what they say.</summary>
public class PreferenceTests
{
    internal static readonly (string Prompt, byte[] A, byte[] B)[] Videos = [.. Enumerable.Range(0, 8)
        .Select(pair => ($"a video of </script> \"{pair}\"", new byte[] { 1, (byte)pair }, new byte[] { 2, (byte)pair }))];

    [Test]
    public void ThePageTellsNobodyWhoseAVideoIs()
    {
        (string page, Key key) = PreferenceKit.Make(Videos, ("vader", "base"), seed: 1);
        Assert.That(page, Does.Not.Contain("vader").And.Not.Contain("base\""));
        Assert.That(Regex.Count(page, "data:image/gif;base64,"), Is.EqualTo(2 * Videos.Length));
        Assert.That(page, Does.Not.Contain("http:").And.Not.Contain("https:").And.Not.Contain(" src=\""), "nothing is fetched");
        Assert.That(key.Pairs.Select(pair => pair.Sides[0]).Distinct(), Is.EquivalentTo(new[] { "vader", "base" }), "sides are mixed");
        Assert.That(Regex.Count(page, "</script>"), Is.EqualTo(3), "a prompt cannot end a script");
    }

    [Test]
    public void TheSameVideosGiveTheSameKit()
    {
        (string page, Key key) = PreferenceKit.Make(Videos, ("vader", "base"), seed: 1);
        (string again, Key keyAgain) = PreferenceKit.Make(Videos, ("vader", "base"), seed: 1);
        Assert.That((again, PreferenceKit.ToText(keyAgain)), Is.EqualTo((page, PreferenceKit.ToText(key))));
        Assert.That(PreferenceKit.Make(Videos[1..], ("vader", "base"), seed: 1).Key.Kit, Is.Not.EqualTo(key.Kit));
    }

    [Test]
    public void AnswersAreCountedForTheSideWhoseVideoWasChosen()
    {
        Key key = new("k", [new("p1", ["vader", "base"]), new("p2", ["base", "vader"])]);
        var first = new AnswerFile("k", [new("p1", "quality", 0, 0, 1), new("p2", "quality", 1, 0, 1), new("p1", "text", 1, 1, 1)]);
        var second = new AnswerFile("k", [new("p2", "quality", 0, 0, 1)]);
        IReadOnlyList<WinRate> rates = WinRates.Of(key, [("first", first), ("second", second)], "vader");
        Assert.That(rates.Select(rate => (rate.Question.Id, rate.Wins, rate.Count, rate.Left)), Is.EqualTo(new[] { ("quality", 2, 3, 2), ("text", 0, 1, 1) }));
        Assert.That(rates[0].Interval, Is.EqualTo(Binomial.Interval(2, 3)));
    }

    [TestCase("other", "p1", "quality", 0, "answers to kit 'other'")]
    [TestCase("k", "p9", "quality", 0, "does not ask for")]
    [TestCase("k", "p1", "speed", 0, "does not ask for")]
    [TestCase("k", "p1", "quality", 2, "does not ask for")]
    public void AnswersToSomethingElseAreRefused(string kit, string pair, string question, int chosen, string message)
    {
        Key key = new("k", [new("p1", ["vader", "base"])]);
        Assert.That(
            () => WinRates.Of(key, [("file", new AnswerFile(kit, [new(pair, question, chosen, 0, 1)]))], "vader"),
            Throws.TypeOf<UsageException>().With.Message.Contains(message).And.Message.Contains("file"));
    }

    [Test]
    public void AnAnswerGivenTwiceIsRefused()
    {
        Key key = new("k", [new("p1", ["vader", "base"])]);
        Answer answer = new("p1", "quality", 0, 0, 1);
        Assert.That(() => WinRates.Of(key, [("file", new AnswerFile("k", [answer, answer with { Chosen = 1 }]))], "vader"),
            Throws.TypeOf<UsageException>().With.Message.Contains("twice"));
    }
}
