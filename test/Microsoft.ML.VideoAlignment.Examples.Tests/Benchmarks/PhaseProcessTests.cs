using Microsoft.ML.VideoAlignment.Benchmarks;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Whatever a phase's process does, the check knows what it found until then, and what became of it.</summary>
[Platform(Exclude = "Win", Reason = "the phases are shell scripts")]
public class PhaseProcessTests
{
    private const double Plenty = 120;

    [Test]
    public void RowsAreReadAndTheRestIsKeptAsText()
    {
        var figures = new Dictionary<string, double> { ["seconds"] = 1.5, ["ratio"] = double.NaN };
        var row = new CheckRow("a \"quoted\" case", CheckVerdict.Passed, "two\nlines", figures);
        PhaseResult result = Run($"cat <<'END'\nplain text\n{Line(row)}\nEND\necho trouble >&2");
        Assert.That((result.Passed, result.Trouble, result.Rows.Count), Is.EqualTo((true, "", 1)));
        Assert.That((result.Rows[0].Name, result.Rows[0].Verdict, result.Rows[0].Note), Is.EqualTo((row.Name, row.Verdict, row.Note)));
        Assert.That(result.Rows[0].Figures, Is.EqualTo(row.Figures));
        Assert.That(result.Tail, Is.EquivalentTo(new[] { "plain text", "trouble" }));
    }

    [Test]
    public void TheProcessHasThePhasesVariables()
    {
        var phase = new CheckPhase("variables", "sh", ["-c", "echo $NAMED_DEVICE"], Plenty)
        {
            Environment = new Dictionary<string, string> { ["NAMED_DEVICE"] = "cuda:7" },
        };
        Assert.That(PhaseProcess.Run(phase, Plenty).Tail, Is.EqualTo(new[] { "cuda:7" }));
    }

    [Test]
    public void AProcessThatFailsFailsThePhaseThoughItsRowsPassed()
    {
        PhaseResult result = Run($"echo '{Line(new CheckRow("one", CheckVerdict.Passed))}'; kill -9 $$");
        Assert.That((result.Passed, result.Count(CheckVerdict.Passed), result.Trouble), Is.EqualTo((false, 1, "ended with exit code 137")));
    }

    [Test]
    public void AProcessThatHangsIsEndedAndItsRowsAreKept()
    {
        PhaseResult result = Run($"echo '{Line(new CheckRow("one", CheckVerdict.Passed))}'; sleep 600", limit: 3);
        Assert.That((result.Passed, result.Count(CheckVerdict.Passed), result.Trouble), Is.EqualTo((false, 1, "ended after its limit of 3 s")));
        Assert.That(result.Seconds, Is.LessThan(300));
    }

    [Test]
    public void APhaseThatComparesNothingDoesNotPass() => Assert.That(Run("true").Passed, Is.False);

    [Test]
    public void ARowThatFailedFailsThePhase() => Assert.That(Run($"echo '{Line(new CheckRow("one", CheckVerdict.Failed))}'").Passed, Is.False);

    [Test]
    public void ASkippedPhaseDoesNotFailTheCheck() => Assert.That(PhaseResult.NotRun("peer", "no graphs").Passed);

    /// <summary>The second of four cases crashes, the third loses the device.</summary>
    [Test]
    public void WhatCanGoOnIsStartedAgainAfterTheCaseThatEndedIt()
    {
        const string Script = """
            case $0 in
              0) echo '@row {"Name":"a","Verdict":"Passed"}'; kill -9 $$;;
              2) echo '@row {"Name":"c","Verdict":"Failed","Note":"CUDA error"}'; exit 75;;
              3) echo '@row {"Name":"d","Verdict":"Passed"}'; exit 0;;
            esac
            """;
        var phase = new CheckPhase("conformance", "sh", ["-c", Script, "0"], Plenty) { After = done => ["-c", Script, $"{done}"] };
        PhaseResult result = PhaseProcess.Run(phase, Plenty);
        Assert.That(result.Rows.Select(row => (row.Name, row.Verdict)), Is.EqualTo(new[]
        {
            ("a", CheckVerdict.Passed), ("the case after a", CheckVerdict.Failed), ("c", CheckVerdict.Failed), ("d", CheckVerdict.Passed),
        }));
        Assert.That((result.Trouble, result.Passed), Is.EqualTo(("", false)));
    }

    [TestCase("CUDA error: an illegal memory access was encountered", true)]
    [TestCase("device-side assert triggered", true)]
    [TestCase("CUDA out of memory. Tried to allocate 2.00 GiB.", false)]
    public void AFaultThatEveryLaterCallOfItsProcessSharesIsKnown(string message, bool lost)
    {
        var fault = new InvalidOperationException("a step failed", new InvalidOperationException(message));
        Assert.That(CheckRow.LosesDevice(fault), Is.EqualTo(lost));
    }

    [Test]
    public void ALineThatWasCutOffIsNoRow()
    {
        string line = Line(new CheckRow("one", CheckVerdict.Passed));
        Assert.That(CheckRow.Read(line[..^3]), Is.Null);
        Assert.That(CheckRow.Read(line)!.Name, Is.EqualTo("one"));
    }

    private static PhaseResult Run(string script, double limit = Plenty) => PhaseProcess.Run(new CheckPhase("phase", "sh", ["-c", script], limit), Plenty);

    private static string Line(CheckRow row)
    {
        using var writer = new StringWriter();
        row.Write(writer);
        return writer.ToString().Trim();
    }
}
