using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Media;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The examples' command lines, and short runs of them.</summary>
public class ExampleTests
{
    private static readonly string s_world = Path.Combine(Repository.Root, "src", "Microsoft.ML.VideoAlignment.MovingShapes", "MovingShapes");

    /// <summary>What an official model needs beside itself; the embedded world's files have the same forms.</summary>
    private static readonly string[] s_files =
    [
        "--clip", Path.Combine(s_world, "clip"), "--head", Path.Combine(s_world, "aesthetic-head.safetensors"),
        "--prompts", Path.Combine(s_world, "prompts", "train.tsv"), "--unseen", Path.Combine(s_world, "prompts", "unseen.tsv"),
    ];

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("example-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("AlignAesthetic", "unknown option '--bogus'", "--bogus")]
    [TestCase("AlignAesthetic", "--steps needs a value", "--steps")]
    [TestCase("AlignAesthetic", "--steps must be a whole number of at least 1, got '0'", "--steps", "0")]
    [TestCase("AlignAesthetic", "--videos must be a whole number of at least 2, got 'x'", "--videos", "x")]
    [TestCase("AlignAesthetic", "--reward must be mix or aesthetic, got 'y'", "--reward", "y")]
    [TestCase("AlignAesthetic", "--model: 'nowhere' does not exist", "--model", "nowhere")]
    [TestCase("AlignAesthetic", "--model needs --clip", "--model", ".")]
    [TestCase("AlignAesthetic", "--clip changes nothing without --model", "--clip", ".")]
    [TestCase("AlignAesthetic", "--head changes nothing without --model", "--head", ".")]
    [TestCase("RewardMix", "--normalize changes nothing without two weights above 0", "--normalize", "--aesthetic", "0", "--text", "0")]
    [TestCase("LongVideo", "--images changes nothing without --model", "--images", ".")]
    [TestCase("LongVideo", "--vjepa-frames changes nothing without --vjepa", "--vjepa-frames", "8")]
    [TestCase("LongVideo", "--model needs --images", "--model", ".")]
    [TestCase("LongVideo", "There is no image in", "--model", ".", "--images", ".")]
    [TestCase("LongVideo", "--carry changes nothing without --segments of 2 or more", "--carry", "--segments", "1")]
    [TestCase("LoraFiles", "--strength changes nothing without FROM and TO", "--strength", "0.5")]
    [TestCase("YourOwnReward", "unknown option 'red'", "red")]
    [TestCase("OwnRewardClass", "unknown option 'red'", "red")]
    [TestCase("GenerateVideo", "unknown option '--steps'", "--steps", "3")]
    [TestCase("GenerateVideo", "got 5 words", "a", "red", "circle", "video.gif", "nothing.zip")]
    [TestCase("RewardMix", "--text must be a number of at least 0, got '-1'", "--text", "-1")]
    [TestCase("RewardMix", "unknown option 'word'", "word")]
    [TestCase("RewardMix", "every weight is 0", "--aesthetic", "0", "--preference", "0", "--text", "0")]
    [TestCase("RemoveObject", "--label must be square or circle or triangle or cross, got 'hexagon'", "--label", "hexagon")]
    [TestCase("ImageToVideo", "--action must be moving right or moving left or moving up or moving down or growing or staying still, got 'dancing'",
        "--action", "dancing")]
    [TestCase("LongVideo", "--segments must be a whole number of at least 1, got '0'", "--segments", "0")]
    [TestCase("TeachAnAction", "--gradient must be early or all or last, got 'none'", "--gradient", "none")]
    [TestCase("EveryReward", "--only: there is no reward 'nothing'", "--only", "text,nothing")]
    [TestCase("EveryReward", "unknown option '--bogus'", "--bogus")]
    [TestCase("ProveGradients", "--window must be of last, last 2,", "--window", "first")]
    [TestCase("ScoreVideos", "expected a folder and at least one reward", ".")]
    [TestCase("ScoreVideos", "the folder 'nowhere' does not exist", "nowhere", "true")]
    [TestCase("ScoreVideos", "holds no video", ".", "true")]
    [TestCase("ScoreVideos", "unknown option '--bogus'", ".", "true", "--bogus")]
    [TestCase("GenerateVideo", "no 'nothing.zip'", "a prompt", "video.gif", "nothing.zip")]
    public void AWrongCommandLineIsOneLineAndCode2(string example, string message, params string[] arguments)
    {
        (int code, string output, string[] errors) = ExampleProgram.Run(example, _folder, arguments);
        Assert.That(errors, Has.Length.EqualTo(1).And.One.StartsWith($"{example}: ").And.One.Contains(message));
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Is.Empty, "nothing is left behind");
    }

    [TestCaseSource(nameof(Examples))]
    public void HelpSaysHowToRunItAndDoesNothing(string example)
    {
        (int code, string output, string[] errors) = ExampleProgram.Run(example, _folder, "a word", example.Length % 2 == 0 ? "-h" : "--help");
        Assert.That((code, errors.Length), Is.EqualTo((0, 0)));
        Assert.That(output, Does.Contain($"--project examples/{example} -- ").And.Contain("--help"));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Is.Empty);
    }

    public static IEnumerable<string> Examples() => Repository.Files("examples", "*.csproj").Select(project => Path.GetFileNameWithoutExtension(project)!);

    /// <summary>A place that cannot be written is found before the work. Below a file no folder can be made, whoever tries.</summary>
    [TestCase("ScoreVideos", "--out", ".", "true", "--out", "video.gif/table.tsv")]
    [TestCase("ScoreVideos", "--out", ".", "true", "--out", "frames")]
    [TestCase("ProveGradients", "--out", "--full", "--out", "video.gif/table.tsv")]
    [TestCase("LoraFiles", "TO", "video.gif", "video.gif/lora.safetensors")]
    [TestCase("GenerateVideo", "VIDEO", "a prompt", "video.gif/video.gif", "video.gif")]
    [TestCase("AlignAesthetic", "--out", "--out", "video.gif/result")]
    public void ATargetThatCannotBeWrittenIsFoundBeforeTheWork(string example, string option, params string[] arguments)
    {
        VideoFile.Write(Path.Combine(_folder, "video.gif"), new VideoClip(new float[8 * 3 * 32 * 32], 8, 32, 32));
        Directory.CreateDirectory(Path.Combine(_folder, "frames"));
        (int code, string output, string[] errors) = ExampleProgram.Run(example, _folder, arguments);
        Assert.That((code, output, errors.Length), Is.EqualTo((2, "", 1)), string.Join('\n', errors));
        Assert.That(errors[0], Does.StartWith($"{example}: {option}: '"));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder).Count(), Is.EqualTo(2), "nothing is left behind");
    }

    /// <summary>The sheets of a result would be scored as if each were one video: its videos are scored instead, on their own prompts.</summary>
    [Test]
    public void OfAResultItsVideosAreScoredNotItsSheets()
    {
        string videos = Directory.CreateDirectory(Path.Combine(_folder, "videos")).FullName;
        VideoFile.Write(Path.Combine(videos, "base-001.webp"), new VideoClip(new float[8 * 3 * 32 * 32], 8, 32, 32));
        VideoFile.Write(Path.Combine(_folder, "before.gif"), new VideoClip(new float[3 * 64 * 64], 1, 64, 64));
        File.WriteAllText(Path.Combine(_folder, "videos.tsv"), "videos/base-001.webp\ta blue square\n");
        File.WriteAllText(Path.Combine(_folder, "run-card.json"), """{ "files": ["before.gif", "videos.tsv", "videos/base-001.webp"] }""");
        string table = Path.Combine(_folder, "scores", "table.tsv");
        (int code, string output, string[] errors) = ExampleProgram.Run("ScoreVideos", _folder, _folder, "true", "--out", table);
        Assert.That(code, Is.Zero, string.Join('\n', errors));
        Assert.That(File.ReadLines(table).Skip(1).Select(row => row[..row.LastIndexOf('\t')]), Is.EqualTo(new[] { "videos/base-001.webp\ta blue square" }));
        Assert.That(errors, Has.One.StartsWith("passed over: before.gif: a sheet of several videos"));
        Assert.That(output, Does.Contain("1 videos, 1 rewards, 3 passed over"));
    }

    [Test]
    public void EmbeddedRewardsPassOverWhatHasNotTheShapeOfTheirVideos()
    {
        VideoFile.Write(Path.Combine(_folder, "enlarged.gif"), new VideoClip(new float[8 * 3 * 32 * 32], 8, 32, 32), scale: 3);
        VideoClip video = new(new float[8 * 3 * 32 * 32], 8, 32, 32);
        VideoFile.Write(Path.Combine(_folder, "sheet.gif"), VideoClip.Grid([.. Enumerable.Repeat(video, 16)], columns: 4), scale: 3);
        (int code, string output, string[] errors) = ExampleProgram.Run("ScoreVideos", _folder, _folder, "true");
        Assert.That(code, Is.Zero, string.Join('\n', errors));
        Assert.That(output, Does.Contain("1 videos, 1 rewards, 1 passed over"));
        Assert.That(errors, Has.One.StartsWith("passed over: sheet.gif: ").And.One.Contains("pixels are not the size of the embedded rewards' videos"));
    }

    /// <summary>A model that makes videos from images is refused in a line, not by a stack trace out of the estimator.</summary>
    [Test]
    public void AModelThatWantsImagesIsRefusedInALine()
    {
        (int code, string output, string[] errors) =
            ExampleProgram.Run("AlignAesthetic", _folder, ["--model", Path.Combine(s_world, "image-to-video"), .. s_files]);
        Assert.That((code, output, errors.Length), Is.EqualTo((2, "", 1)), string.Join('\n', errors));
        Assert.That(errors[0], Does.StartWith("AlignAesthetic: --model: '").And.Contain("a StableVideoDiffusion model makes videos from them"));
    }

    /// <summary>What the model decides stands in the panel of settings, not a blank.</summary>
    [Test]
    public void TheSettingsOfAnOfficialModelHaveNoBlanks()
    {
        using Process process =
            ExampleProgram.Start("AlignAesthetic", _folder, ["--model", Path.Combine(s_world, "text-to-video"), "--reward", "aesthetic", .. s_files]);
        string? sampling = null;
        while (sampling is null && process.StandardOutput.ReadLine() is { } line)
        {
            sampling = line.Contains("sampling", StringComparison.Ordinal) ? line : null;
        }

        process.Kill();
        process.WaitForExit();
        Assert.That(sampling, Does.Match(@"\d+ denoising steps, guidance \d[\d.]*, gradient through the last 1 "));
    }

    [Test]
    public void AFolderThatIsNoFormerResultIsLeftAlone()
    {
        string file = Path.Combine(_folder, "mine.txt");
        File.WriteAllText(file, "mine");
        (int code, _, string[] errors) = ExampleProgram.Run("AlignAesthetic", _folder, "--out", _folder);
        Assert.That((code, errors.Length), Is.EqualTo((2, 1)));
        Assert.That(errors[0], Does.Contain("is not a former result"));
        Assert.That(File.ReadAllText(file), Is.EqualTo("mine"));
    }

    /// <summary>One step and two videos: the whole walk of the examples that align a model, in seconds.</summary>
    [TestCase("AlignAesthetic", "heldOut", "heldOutTrue", "heldOutText")]
    [TestCase("RewardMix", "heldOut", "heldOutAesthetic", "heldOutPreference", "heldOutText", "heldOutTrue")]
    [TestCase("RemoveObject", "heldOut", "heldOutAesthetic")]
    [TestCase("TeachAnAction", "heldOutProbability", "heldOutLogProbability")]
    [TestCase("ImageToVideo", "heldOut", "heldOutProbability")]
    [TestCase("LongVideo", "heldOut", "heldOutTrue")]
    public void AShortRunLeavesAWholeResult(string example, params string[] measures)
    {
        string result = Path.Combine(_folder, "result");
        (int code, string output, string[] errors) = ExampleProgram.Run(example, _folder, "--steps", "1", "--videos", "2", "--out", result);
        Assert.That(code, Is.Zero, string.Join('\n', errors));
        Assert.That(output, Does.Contain("bit for bit"));
        string[] files = ["after.gif", "aligned.zip", "before-after.gif", "before.gif", "frames.png", "reward.png", "run-card.json", "videos.tsv"];
        Assert.That(Directory.EnumerateFiles(result).Select(Path.GetFileName).Order(StringComparer.Ordinal), Is.EqualTo(files));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Has.Exactly(1).Items, "no unfinished folder");
        Assert.That(Directory.EnumerateFiles(Path.Combine(result, "videos")).Count(), Is.EqualTo(4), "each video by itself");

        using JsonDocument card = JsonDocument.Parse(File.ReadAllText(Path.Combine(result, "run-card.json")));
        foreach (string measure in measures)
        {
            JsonElement pair = card.RootElement.GetProperty(measure);
            double gain = pair.GetProperty("after").GetDouble() - pair.GetProperty("before").GetDouble();
            Assert.That(pair.GetProperty("gain").GetDouble(), Is.EqualTo(gain).Within(3e-5), measure);
            Assert.That(pair.GetProperty("gainHalfWidth95").GetDouble(), Is.GreaterThan(0), measure);
        }

        Assert.That(card.RootElement.TryGetProperty("heldOut", out _), Is.True);
        Assert.That(card.RootElement.GetProperty("steps").GetInt32(), Is.EqualTo(1));
        Assert.That(VideoFile.Read(Path.Combine(result, "before.gif")).Frames, Is.EqualTo(example == "LongVideo" ? 24 : 8));
    }

    /// <summary>The embedded model's folder has the official form, so it stands for one; a fifth of the images is compared on.</summary>
    [Test]
    public void LongVideosOfAnOfficialModelBeginWithAFolderOfImages()
    {
        string result = Path.Combine(_folder, "result");
        string[] arguments =
        [
            "--model", Path.Combine(s_world, "image-to-video"), "--images", Path.Combine(s_world, "images", "train"), "--segments", "2", "--steps", "1",
                "--videos", "2", "--out", result,
        ];
        (int code, string output, string[] errors) = ExampleProgram.Run("LongVideo", _folder, arguments);
        Assert.That(code, Is.Zero, string.Join('\n', errors));
        Assert.That(output, Does.Contain("StableVideoDiffusion").And.Contain("bit for bit"));
        Assert.That(VideoFile.Read(Path.Combine(result, "after.gif")).Frames, Is.EqualTo(16));
    }

    /// <summary>A class of a user's, with the library's public members alone: estimated, proved, trained with, saved and loaded.</summary>
    [Test]
    public void ARewardClassOfOnesOwnIsSavedAndLoaded()
    {
        (int code, string output, string[] errors) = ExampleProgram.Run("OwnRewardClass", _folder);
        Assert.That(code, Is.Zero, output + string.Join('\n', errors));
        Assert.That(output, Does.Contain("gradient proved; warmth ").And.Not.Contain("on top"));
        Match scores = Regex.Match(output, "warmth (.+) and (.+), loaded (.+) and (.+)\n");
        Assert.That((scores.Groups[3].Value, scores.Groups[4].Value.Trim()), Is.EqualTo((scores.Groups[1].Value, scores.Groups[2].Value)));
        Assert.That(Directory.EnumerateFiles(_folder).Select(Path.GetFileName), Is.EqualTo(new[] { "scoring.zip" }));
    }

    [Test]
    public void GradientsAreProved()
    {
        (int code, string output, string[] errors) = ExampleProgram.Run(
            "ProveGradients", _folder, "--family", "opensora", "--reward", "custom", "--window", "drtune", "--batch", "1", "--frames", "all",
            "--recompute", "off",
            "--base-distance", "off", "--accumulation", "1", "--decode", "whole", "--segments", "1", "--full", "--out", Path.Combine(_folder, "proof.tsv"));
        Assert.That(code, Is.Zero, output + string.Join('\n', errors));
        Assert.That(output, Does.Contain("2 passed, 0 failed"));
        Assert.That(File.ReadLines(Path.Combine(_folder, "proof.tsv")).Count(), Is.EqualTo(3));
    }

    [Test]
    public void TheTableOfRewardsHasALineForEach()
    {
        string result = Path.Combine(_folder, "result");
        (int code, string output, string[] errors) =
            ExampleProgram.Run("EveryReward", _folder, "--only", "text,action", "--steps", "1", "--videos", "2", "--out", result);
        Assert.That(code, Is.Zero, string.Join('\n', errors));
        Assert.That(Directory.EnumerateFiles(result).Select(Path.GetFileName).Order(StringComparer.Ordinal),
            Is.EqualTo(new[] { "rewards.md", "rewards.tsv", "run-card.json" }));
        string[][] rows = [.. File.ReadLines(Path.Combine(result, "rewards.tsv")).Select(row => row.Split('\t'))];
        Assert.That(rows.Select(row => row[0]), Is.EqualTo(new[] { "reward", "text", "action" }));
        Assert.That(rows.Skip(1).Select(row => (row[6], row[7])), Is.All.EqualTo(("1", "2")));
        Assert.That(File.ReadLines(Path.Combine(result, "rewards.md")).Count(line => line.StartsWith("| ", StringComparison.Ordinal)), Is.EqualTo(3));
        Assert.That(output, Does.Contain("of 2 rewards gained"));
    }

    [Test]
    public void VideosAndFoldersOfFramesAreScored()
    {
        var red = new VideoClip([.. Enumerable.Range(0, 8 * 3 * 32 * 32).Select(index => index / (32 * 32) % 3 == 0 ? 0.9f : 0.1f)], 8, 32, 32);
        VideoFile.Write(Path.Combine(_folder, "a-red-circle.gif"), red);
        string frames = Directory.CreateDirectory(Path.Combine(_folder, "frames")).FullName;
        for (int frame = 0; frame < 8; frame++)
        {
            VideoFile.Write(Path.Combine(frames, $"{frame}.png"), red.Frame(frame));
        }

        string table = Path.Combine(_folder, "scores", "table.tsv");
        (int code, string output, string[] errors) = ExampleProgram.Run("ScoreVideos", _folder, _folder, "aesthetic", "text", "true", "--out", table);
        Assert.That(code, Is.Zero, string.Join('\n', errors));
        string[][] rows = [.. File.ReadLines(table).Select(row => row.Split('\t'))];
        Assert.That(rows[0], Is.EqualTo(new[] { "file", "prompt", "aesthetic", "text", "true" }));
        Assert.That(rows.Skip(1).Select(row => (row[0], row[1])), Is.EqualTo(new[] { ("a-red-circle.gif", "a red circle"), ("frames", "frames") }));
        Assert.That(rows[1][2..], Has.All.Matches<string>(cell => double.TryParse(cell, out _)));
        Assert.That((rows[1][2], rows[1][4]), Is.EqualTo((rows[2][2], rows[2][4])), "the same frames, the same scores of rewards that read no prompt");
        Assert.That(rows[1][3], Is.Not.EqualTo(rows[2][3]), "text similarity reads the prompt");
        Assert.That(output, Does.Contain("2 videos, 3 rewards"));
    }

    /// <summary>One bad file does not lose the scores of the others, and nothing is passed over without a word.</summary>
    [Test]
    public void WhatIsPassedOverIsCountedAndNamed()
    {
        var video = new VideoClip(new float[8 * 3 * 32 * 32], 8, 32, 32);
        VideoFile.Write(Path.Combine(_folder, "good.gif"), video);
        File.WriteAllText(Path.Combine(_folder, "bad.gif"), "not a video");
        File.WriteAllText(Path.Combine(_folder, "video.mp4"), "not a video");
        File.WriteAllText(Path.Combine(_folder, "notes.txt"), "");
        Directory.CreateDirectory(Path.Combine(_folder, "nothing"));
        string outside = Directory.CreateTempSubdirectory("outside").FullName;
        try
        {
            VideoFile.Write(Path.Combine(outside, "secret.gif"), video);
            File.CreateSymbolicLink(Path.Combine(_folder, "link.gif"), Path.Combine(outside, "secret.gif"));
            string table = Path.Combine(_folder, "table.tsv");
            (int code, string output, string[] errors) = ExampleProgram.Run("ScoreVideos", _folder, _folder, "true", "--out", table);
            Assert.That(code, Is.Zero, string.Join('\n', errors));
            Assert.That(File.ReadLines(table).Skip(1).Select(row => row.Split('\t')[0]), Is.EqualTo(new[] { "good.gif" }));
            Assert.That(output, Does.Contain("1 videos, 1 rewards, 5 passed over"));
            Assert.That(
                errors.Where(line => line.StartsWith("passed over: ", StringComparison.Ordinal)).Select(line => line.Split(' ')[2]),
                Is.EquivalentTo(new[] { "bad.gif:", "video.mp4:", "link.gif:", "notes.txt:", "nothing:" }));
        }
        finally
        {
            Directory.Delete(outside, recursive: true);
        }
    }

    [Test]
    public void PromptsComeFromATable()
    {
        VideoFile.Write(Path.Combine(_folder, "video.gif"), new VideoClip(new float[8 * 3 * 32 * 32], 8, 32, 32));
        string prompts = Path.Combine(_folder, "prompts.tsv");
        File.WriteAllText(prompts, "file\tprompt\nvideo.gif\ta blue square\n");
        string table = Path.Combine(_folder, "table.tsv");
        (int code, _, string[] errors) = ExampleProgram.Run("ScoreVideos", _folder, _folder, "true", "--prompts", prompts, "--out", table);
        Assert.That(code, Is.Zero, string.Join('\n', errors));
        Assert.That(File.ReadLines(table).Last(), Does.StartWith("video.gif\ta blue square\t"));

        File.WriteAllText(prompts, "other.gif\ta blue square\n");
        (code, _, errors) = ExampleProgram.Run("ScoreVideos", _folder, _folder, "true", "--prompts", prompts);
        Assert.That((code, errors.Length), Is.EqualTo((2, 1)));
        Assert.That(errors[0], Does.Contain("no line for 'video.gif'"));
    }

    [TestCase("nothing", "unknown reward 'nothing'")]
    [TestCase("video-text", "expected video-text=CLIP")]
    [TestCase("removal:hexagon", "hexagon")]
    [TestCase("aesthetic=one", "expected")]
    [TestCase("text=nowhere", "text=nowhere: ")]
    public void ARewardThatCannotBeMadeIsOneLine(string reward, string message)
    {
        VideoFile.Write(Path.Combine(_folder, "video.gif"), new VideoClip(new float[3 * 4 * 4], 1, 4, 4));
        (int code, _, string[] errors) = ExampleProgram.Run("ScoreVideos", _folder, _folder, reward);
        Assert.That((code, errors.Length), Is.EqualTo((2, 1)), string.Join('\n', errors));
        Assert.That(errors[0], Does.StartWith("ScoreVideos: ").And.Contain(message));
    }
}
