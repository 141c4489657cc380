using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>An example that is interrupted says how to go on, and goes on when it is told so.</summary>
public class ResumeTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("example-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    [Platform(Exclude = "Win", Reason = "the test sends SIGINT, which is what Ctrl+C is on the others")]
    public void AfterControlCItGoesOnByTheCommandThatItPrints()
    {
        string result = Path.Combine(_folder, "a result");
        (int code, string output, _) = Signalled("-INT", "step 1/", "--steps", "50", "--videos", "2", "--out", result);
        string command = $"dotnet run -c Release --project examples/AlignAesthetic -- --steps 50 --videos 2 --out '{result}' --resume";
        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain($"Stopping after the step under way, then comparing; Ctrl+C again leaves the comparison out. To go on: {command}\n"));
        (int reached, int asked) = Steps(result);
        Assert.That((reached, asked), Is.EqualTo((reached, 50)));
        Assert.That(reached, Is.InRange(1, 49));
        Assert.That(output, Does.Contain($"Stopped after step {reached} of 50. To go on: {command}\n"));

        string[] more = ["--steps", $"{reached + 1}", "--videos", "2", "--out", result];
        (code, output, string[] errors) = ExampleProgram.Run("AlignAesthetic", _folder, more);
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(errors, Has.Length.EqualTo(1).And.One.Contains($"'{result}.run' holds a run that was interrupted; go on with it by --resume"));

        // What somebody else has put into the result stays.
        File.WriteAllText(Path.Combine(result, "notes.txt"), "mine");
        (code, output, errors) = ExampleProgram.Run("AlignAesthetic", _folder, [.. more, "--resume"]);
        Assert.That(code, Is.Zero, string.Join('\n', errors));
        Assert.That(output.Split('\n').Where(line => line.StartsWith("step ", StringComparison.Ordinal)),
            Has.Exactly(1).Items.And.One.StartsWith($"step {reached + 1}/"));
        Assert.That(Steps(result), Is.EqualTo((reached + 1, reached + 1)));
        Assert.That(File.ReadAllText(Path.Combine(result, "notes.txt")), Is.EqualTo("mine"));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Has.Exactly(1).Items, "a whole result needs no state");
    }

    /// <summary>docker stop: the trained model is written before the comparison, which is left out, and nothing is lost.</summary>
    [Test]
    [Platform(Exclude = "Win", Reason = "the test sends SIGTERM")]
    public void AfterSigtermTheTrainedModelIsThereAndTheRunGoesOn()
    {
        string result = Path.Combine(_folder, "result"), unfinished = result + ".unfinished";
        (int code, string output, string[] errors) = Signalled("-TERM", "videos of 2", "--steps", "1", "--videos", "2", "--out", result);
        Assert.That(code, Is.EqualTo(143), output);
        Assert.That(output, Does.Contain("Stopped after step 1 of 1. To go on: "));
        Assert.That(errors, Has.One.EqualTo($"What was trained is kept: {Path.Combine(unfinished, "aligned.zip")}"));
        Assert.That(Directory.EnumerateFileSystemEntries(unfinished).Select(Path.GetFileName), Is.EqualTo(new[] { "aligned.zip" }));
        Assert.That(Directory.Exists(result), Is.False);

        (code, output, errors) = ExampleProgram.Run("AlignAesthetic", _folder, "--steps", "1", "--videos", "2", "--out", result, "--resume");
        Assert.That(code, Is.Zero, string.Join('\n', errors));
        Assert.That(output, Does.Contain("bit for bit").And.Not.Contain("step 1/"), "it is compared, not trained again");
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Has.Exactly(1).Items);
    }

    /// <summary>Runs it, and sends a signal after a line that begins so.</summary>
    private (int Code, string Output, string[] Errors) Signalled(string signal, string after, params string[] arguments)
    {
        using Process process = ExampleProgram.Start("AlignAesthetic", _folder, arguments);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        var output = new StringBuilder();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            output.Append(line).Append('\n');
            if (line.StartsWith(after, StringComparison.Ordinal))
            {
                using var kill = Process.Start("kill", [signal, process.Id.ToString(CultureInfo.InvariantCulture)]);
                kill.WaitForExit();
            }
        }

        process.WaitForExit();
        return (process.ExitCode, output.ToString(), errors.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private static (int Reached, int Asked) Steps(string result)
    {
        using JsonDocument card = JsonDocument.Parse(File.ReadAllText(Path.Combine(result, "run-card.json")));
        return (card.RootElement.GetProperty("steps").GetInt32(), card.RootElement.GetProperty("stepsAsked").GetInt32());
    }
}
