using System.Globalization;
using System.Runtime.Versioning;
using Microsoft.ML.VideoAlignment.Media;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The program is a shell script here: whatever ffmpeg may do.</summary>
[Platform("Linux,MacOsX", Reason = "scripts of a Unix shell")]
[UnsupportedOSPlatform("windows")]
public class FfmpegProcessTests : TemporaryFolder
{
    private static readonly VideoClip s_clip = new(new float[3 * 4 * 64 * 64], 4, 64, 64);

    [Test]
    public void ItsOwnWordsAreInTheError()
    {
        string program = Script("echo 'x264: no space left' >&2; exit 3");
        Assert.That(
            () => Ffmpeg.Write(In("video.mp4"), s_clip, 8, 1, program),
            Throws.InstanceOf<IOException>().With.Message.Contains("code 3").And.Message.Contains("no space left"));
        Write("video.mp4", [1]);
        Assert.That(
            () => Ffmpeg.Read(In("video.mp4"), new VideoReadOptions(), _ => { }, program),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("no space left").And.Message.Contains("video.mp4"));
    }

    [Test]
    public void AProgramThatTakesNothingIsNoSuccess() =>
        Assert.That(() => Ffmpeg.Write(In("video.mp4"), s_clip, 8, 1, Script("exec 0<&-; exit 0")), Throws.InstanceOf<IOException>());

    [Test]
    public void FloodsOfComplaintsAndOutputDoNotBlock()
    {
        string program = Script("head -c 3000000 /dev/zero | tr '\\0' e >&2; head -c 3000000 /dev/zero; cat > /dev/null; echo last >&2; exit 1");
        Assert.That(
            () => Ffmpeg.Write(In("video.mp4"), s_clip, 8, 1, program),
            Throws.InstanceOf<IOException>().With.Message.Contains("last").And.Message.Length.LessThan(2000));
    }

    [Test]
    public void TheTimeoutEndsIt()
    {
        string program = Script("echo busy >&2; sleep 3600");
        Write("video.mp4", [1]);
        var brief = new VideoReadOptions { Timeout = TimeSpan.FromMilliseconds(200) };
        Assert.That(
            () => Ffmpeg.Read(In("video.mp4"), brief, _ => { }, program),
            Throws.TypeOf<TimeoutException>().With.Message.Contains("Raise VideoReadOptions.Timeout"));
        Assert.That(
            () => Ffmpeg.Write(In("new.mp4"), s_clip, 8, 1, program, brief.Timeout),
            Throws.TypeOf<TimeoutException>().With.Message.Contains("Raise VideoWriteOptions.Timeout"));
    }

    [Test]
    public async Task CancelingEndsItAndWhatItStarted()
    {
        using var cancel = new CancellationTokenSource();
        string program = Script($"sleep 3600 & echo $! > '{In("pid.tmp")}'; mv '{In("pid.tmp")}' '{In("pid")}'; wait");
        Task run = Task.Run(() => Ffmpeg.Write(In("video.mp4"), s_clip, 8, 1, program, cancellation: cancel.Token));
        while (!File.Exists(In("pid")))
        {
            Assert.That(run.IsCompleted, Is.False);
            await Task.Delay(10);
        }

        int child = int.Parse(await File.ReadAllTextAsync(In("pid")), CultureInfo.InvariantCulture);
        await cancel.CancelAsync();
        Assert.That(async () => await run, Throws.InstanceOf<OperationCanceledException>());
        if (OperatingSystem.IsLinux())
        {
            for (int wait = 0; Runs(child); wait++)
            {
                Assert.That(wait, Is.LessThan(6000), "the program's child lives on");
                await Task.Delay(10);
            }
        }
    }

    [Test]
    public void WhoReadsMayStopIt()
    {
        string program = Script("while :; do printf 'P6\\n1 1\\n255\\nabc' || exit 0; done");
        Write("video.mp4", [1]);
        Assert.That(
            () => new FfmpegProcess(program, [], TimeSpan.FromHours(1), "", "").Run(
                null, output => PpmStream.Read(output, "video.mp4", 100).Take(1000).ToList().ForEach(_ => { }), default).Code,
            Is.Not.Negative);
        Assert.That(
            () => new FfmpegProcess(program, [], TimeSpan.FromHours(1), "", "").Run(null, _ => throw new InvalidDataException("enough"), default),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("enough"));
    }

    /// <summary>Where strangers' files lie, a program named ffmpeg may lie as well.</summary>
    [Test]
    public void TheWorkingFolderIsNotLookedIn()
    {
        string name = $"program-{Guid.NewGuid():N}";
        string file = Path.Combine(Environment.CurrentDirectory, name);
        File.Copy(Script("exit 0"), file);
        try
        {
            Assert.That(FfmpegProcess.Find(name), Is.Null);
            Assert.That(FfmpegProcess.Find(file), Is.EqualTo(file));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public void AMissingProgramIsNamedWithWhatToDo()
    {
        Write("video.mp4", [1]);
        Assert.That(
            () => Ffmpeg.Read(In("video.mp4"), new VideoReadOptions(), _ => { }, "no-such-ffmpeg"),
            Throws.TypeOf<NotSupportedException>()
                .With.Message.Contains("apt-get install ffmpeg").And.Message.Contains("convert").And.Message.Contains(".gif"));
    }

    [TestCase("P6\n2 2\n255\n0123456789ab", 1)]
    [TestCase("", 0)]
    public void PpmImagesAreReadOneByOne(string text, int count) =>
        Assert.That(PpmStream.Read(new MemoryStream([.. text.Select(letter => (byte)letter)]), "", 4).Count(), Is.EqualTo(count));

    [TestCase("P6\n2 2\n255\n0123", "ended within a frame")]
    [TestCase("P5\n2 2\n255\n0123", "something else")]
    [TestCase("P6\n2 x\n255\n0123", "header")]
    [TestCase("P6\n2000000000 2\n255\n", "9 digits")]
    [TestCase("P6\n3 2\n255\n0123456789ab", "MaxPixels")]
    public void PpmImagesThatAreNoneAreRefused(string text, string message) => Assert.That(
        () => PpmStream.Read(new MemoryStream([.. text.Select(letter => (byte)letter)]), "video.mp4", 4).Count(),
        Throws.Exception.With.Message.Contains(message));

    private static bool Runs(int process)
    {
        try
        {
            string state = File.ReadAllText($"/proc/{process}/stat").Split(')')[^1].TrimStart();
            return state[0] != 'Z'; // ended, and not yet asked for by its parent
        }
        catch (IOException)
        {
            return false;
        }
    }

    private string Script(string body)
    {
        string file = In($"{Guid.NewGuid():N}.sh");
        File.WriteAllText(file, $"#!/bin/sh\n{body}\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return file;
    }
}
