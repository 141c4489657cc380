using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A prompt of any length fits into a message.</summary>
public partial class QuotationTests
{
    private const int Room = 4000;

    private static readonly string s_long = new('a', 1_000_000);

    [TestCase(0)]
    [TestCase(Quotation.MaxLength)]
    public void AShortTextIsWhole(int length) => Assert.That(Quotation.Shorten(s_long[..length]), Is.EqualTo(s_long[..length]));

    [Test]
    public void ALongTextIsItsBeginningAndItsLength() => Assert.That(Quotation.Shorten(s_long), Is.EqualTo($"{s_long[..500]}... (500 of 1000000 characters)"));

    [Test]
    public void APairOfSurrogatesIsNotCut() =>
        Assert.That(Quotation.Shorten($"{s_long[..499]}\U0001F60060"), Is.EqualTo($"{s_long[..499]}... (499 of 503 characters)"));

    [Test]
    public void TheLogShowsNoWholePrompt()
    {
        var rig = new DoorRig();
        List<(Runtime.ChannelMessageKind Kind, string Text)> messages = rig.Listen();
        rig.Estimator(DoorRig.ThreeSteps with
        {
            Sampling = DoorRig.ThreeSteps.Sampling with { NegativePrompt = s_long, GuidanceScale = 1 },
            Optimizer = DoorRig.ThreeSteps.Optimizer with { Steps = 1 },
        }).Fit(rig.Table(s_long));
        Assert.That(messages.Select(message => message.Text), Has.Some.Contains("tokens are ignored: aaa").And.Some.Contains("NegativePrompt 'aaa"));
        Assert.That(messages.Select(message => message.Text.Length), Is.All.LessThan(Room));
    }

    [Test]
    public void ErrorsShowNoWholePrompt()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(FiniteVideo.DescribeRow(0, [s_long]), Has.Length.LessThan(Room));
            Short(() => OpenSoraPrompt.Parse($"|0|{s_long}|x|{s_long}"));
            Short(() => OpenSoraPrompt.Parse($"a {{{s_long}"));
            Short(() => new VideoAlignmentOptions { Sampling = new() { ImageColumnName = s_long } }.ValidateFor(new TinyVideoModel()));
            using var config = JsonDocument.Parse("""{ "id2label": { "0": "running" } }""");
            Short(() => LabelTable.FromJson(config.RootElement).Require(s_long, "label"));
        }

        static void Short(Action work) => Assert.That(Assert.Catch(() => work())!.Message, Has.Length.LessThan(Room));
    }

    /// <summary>Read from the sources: whatever quotes a prompt shortens it.</summary>
    [Test]
    public void EveryMessageThatQuotesAPromptShortensIt()
    {
        string[] whole =
        [
            .. Repository.Files("src", "*.cs").SelectMany(file => Repository.Read(file).Split('\n')
                .Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal) && QuotedPrompt().IsMatch(line))
                .Select(line => $"{file}: {line.Trim()}")),
        ];
        Assert.That(whole, Is.Empty);
    }

    [GeneratedRegex(@"'\{[^{}']*prompts?(\[\w+\])?\}'|: \{prompt\}", RegexOptions.IgnoreCase)]
    private static partial Regex QuotedPrompt();
}
