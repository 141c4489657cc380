using System.Text.Json;
using Microsoft.ML.VideoAlignment.Benchmarks;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The table says what failed and why, and the check fails with any of its phases.</summary>
public class CheckReportTests
{
    private static readonly PhaseResult s_good = new(
        "step modelscope BFloat16",
        [
            new CheckRow("blocks recomputed", CheckVerdict.Passed, "loss 1", new Dictionary<string, double> { ["estimate GB"] = 10.25, ["seconds"] = 2 }),
            new CheckRow("all kept", CheckVerdict.Skipped, "estimated to take 170.0 of 141.0 GB", new Dictionary<string, double> { ["estimate GB"] = 170 }),
        ],
        4, "", []);

    [Test]
    public void MeasurementsStandInOneTableSecondsFirst()
    {
        string text = new CheckReport("a card", [s_good]).ToMarkdown();
        Assert.That(text, Does.StartWith("# Check on a card: passed"));
        Assert.That(text, Does.Contain("| step modelscope BFloat16 | 1 | 0 | 1 | 4.0 | ok |"));
        Assert.That(text, Does.Contain("| step | seconds | estimate GB |"));
        Assert.That(text, Does.Contain("| blocks recomputed | 2 | 10.25 |"));
        Assert.That(text, Does.Contain("| all kept | skipped | 170 |"));
        Assert.That(text, Does.Contain("- step modelscope BFloat16: all kept: estimated to take 170.0 of 141.0 GB"));
    }

    [Test]
    public void WhatWentWrongIsSaid()
    {
        var crashed = new PhaseResult("failures", [], 1, "ended with exit code 139", ["the last words"]);
        var failed = new PhaseResult("gradient", [new CheckRow("modelscope", CheckVerdict.Failed, "error\n3e-2")], 1, "", []);
        var nothing = new PhaseResult("conformance", [], 1, "", []);
        foreach (PhaseResult phase in new[] { crashed, failed, nothing })
        {
            var report = new CheckReport("a card", [s_good, phase]);
            Assert.That(report.Passed, Is.False, phase.Name);
            Assert.That(report.ToMarkdown(), Does.StartWith("# Check on a card: failed"));
        }

        string text = new CheckReport("a card", [crashed, failed, nothing]).ToMarkdown();
        Assert.That(text, Does.Contain("| failures | 0 | 0 | 0 | 1.0 | ended with exit code 139 |").And.Contain("the last words"));
        Assert.That(text, Does.Contain("- gradient: modelscope: error 3e-2"));
        Assert.That(text, Does.Contain("compared nothing"));
        Assert.That(new CheckReport("a card", []).Passed, Is.False);
    }

    [Test]
    public void BothFilesAreWritten()
    {
        string folder = Directory.CreateTempSubdirectory("check-").FullName;
        try
        {
            var report = new CheckReport("a card", [s_good]);
            report.Write(Path.Combine(folder, "new"));
            Assert.That(File.ReadAllText(Path.Combine(folder, "new", CheckReport.Table)), Is.EqualTo(report.ToMarkdown()));
            using JsonDocument figures = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "new", CheckReport.Figures)));
            JsonElement row = figures.RootElement.GetProperty("Phases")[0].GetProperty("Rows")[0];
            Assert.That(figures.RootElement.GetProperty("Passed").GetBoolean());
            Assert.That((row.GetProperty("Verdict").GetString(), row.GetProperty("Figures").GetProperty("seconds").GetDouble()), Is.EqualTo(("Passed", 2.0)));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
