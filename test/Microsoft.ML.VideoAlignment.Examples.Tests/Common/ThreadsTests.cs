using System.Diagnostics;
using Examples;
using Microsoft.ML.VideoAlignment.Media;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Examples and benchmarks take the processors that they may use, and do not spin on them.</summary>
public class ThreadsTests
{
    private static Dictionary<string, string> Choose(int processors, int seen, params (string Name, string Value)[] set) =>
        new(Threads.Choose(name => set.FirstOrDefault(pair => pair.Name == name).Value, processors, seen));

    [Test]
    public void AQuotaLimitsTheThreads() => Assert.That(Choose(processors: 2, seen: 16)["OMP_NUM_THREADS"], Is.EqualTo("2"));

    [Test]
    public void WithoutAQuotaTheNumberIsLibtorchs() => Assert.That(Choose(processors: 16, seen: 16).Keys, Is.EqualTo(new[] { "OMP_WAIT_POLICY" }));

    [TestCase("OMP_WAIT_POLICY", "ACTIVE")]
    [TestCase("GOMP_SPINCOUNT", "1000")]
    [TestCase("OMP_NUM_THREADS", "7")]
    public void WhatTheUserSetStands(string name, string value)
    {
        Dictionary<string, string> chosen = Choose(processors: 2, seen: 16, (name, value));
        Assert.That(chosen, Does.Not.ContainKey(name));
        Assert.That(chosen.ContainsKey("OMP_WAIT_POLICY"), Is.EqualTo(name == "OMP_NUM_THREADS"));
    }

    [TestCase("\t0-1\n", 2)]
    [TestCase("0-3,8", 5)]
    [TestCase("5", 1)]
    public void ListsOfProcessorsAreCounted(string list, int count) => Assert.That(Threads.CountOf(list), Is.EqualTo(count));

    /// <summary>OpenMP tells what it has read: a variable that is set after libtorch has been loaded would not be among it.</summary>
    [Test]
    [Platform(Include = "Linux", Reason = "libgomp, whose report this reads, is Linux's OpenMP")]
    public void OpenMpReadsThem()
    {
        string folder = Directory.CreateTempSubdirectory("example-").FullName;
        try
        {
            VideoFile.Write(Path.Combine(folder, "video.gif"), new VideoClip(new float[8 * 3 * 32 * 32], 8, 32, 32));
            var variables = new Dictionary<string, string?>
            {
                ["OMP_NUM_THREADS"] = null,
                ["OMP_WAIT_POLICY"] = null,
                ["GOMP_SPINCOUNT"] = null,
                ["OMP_DISPLAY_ENV"] = "TRUE",
                ["DOTNET_PROCESSOR_COUNT"] = "1"
            };
            using Process process = ExampleProgram.Start("ScoreVideos", folder, variables, folder, "true");
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.That(process.ExitCode, Is.Zero, errors + output.Result);
            Assert.That(errors, Does.Contain("OMP_WAIT_POLICY = 'PASSIVE'").And.Contain("OMP_NUM_THREADS = '1'"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
