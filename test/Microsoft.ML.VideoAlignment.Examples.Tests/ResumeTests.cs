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
        string stopped = Interrupted(["--steps", "50", "--films", "2", "--out", result]);
        string command = $"dotnet run -c Release --project examples/AlignAesthetic -- --steps 50 --films 2 --out '{result}' --resume";
        Assert.That(stopped, Does.Contain($"Stopping after the step under way; Ctrl+C again ends the program. To go on: {command}\n"));
        int reached = Steps(result);
        Assert.That(reached, Is.InRange(1, 49));
        Assert.That(stopped, Does.Contain($"Stopped after step {reached} of 50. To go on: {command}\n"));

        string[] more = ["--steps", $"{reached + 1}", "--films", "2", "--out", result];
        (int code, string output, string[] errors) = ExampleProgram.Run("AlignAesthetic", _folder, more);
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(errors, Has.Length.EqualTo(1).And.One.Contains($"'{result}.run' holds a run that was interrupted; go on with it by --resume"));

        (code, output, errors) = ExampleProgram.Run("AlignAesthetic", _folder, [.. more, "--resume"]);
        Assert.That(code, Is.Zero, string.Join('\n', errors));
        Assert.That(output.Split('\n').Where(line => line.StartsWith("step ", StringComparison.Ordinal)), Has.Exactly(1).Items.And.One.StartsWith($"step {reached + 1}/"));
        Assert.That(Steps(result), Is.EqualTo(reached + 1));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Has.Exactly(1).Items, "a whole result needs no state");
    }

    /// <summary>Sends SIGINT after the first step; what was printed.</summary>
    private string Interrupted(string[] arguments)
    {
        using Process process = ExampleProgram.Start("AlignAesthetic", _folder, arguments);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        var output = new StringBuilder();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            output.Append(line).Append('\n');
            if (line.StartsWith("step 1/", StringComparison.Ordinal))
            {
                using var kill = Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)]);
                kill.WaitForExit();
            }
        }

        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, errors.Result);
        return output.ToString();
    }

    private static int Steps(string result)
    {
        using JsonDocument card = JsonDocument.Parse(File.ReadAllText(Path.Combine(result, "run-card.json")));
        return card.RootElement.GetProperty("steps").GetInt32();
    }
}
