using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A program that forgot the native package of TorchSharp, or has one that the system cannot load.</summary>
public class MissingTorchTests
{
    private string _folder = "";

    [SetUp]
    public void CopyAProgramWithoutNativeLibraries()
    {
        _folder = Directory.CreateTempSubdirectory("native-").FullName;
        string built = ExampleProgram.Folder("YourOwnReward"), native = $"{Path.DirectorySeparatorChar}runtimes{Path.DirectorySeparatorChar}";
        foreach (string file in Directory.EnumerateFiles(built, "*", SearchOption.AllDirectories)
            .Where(file => !file.Contains(native, StringComparison.Ordinal)))
        {
            string copy = Path.Combine(_folder, Path.GetRelativePath(built, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void ThePackageToAddIsNamedInALine() => Assert.That(
        Run(), Does.StartWith("YourOwnReward: libtorch, which does the computing, did not come along with this program: it has TorchSharp ").And.Contain(
            "native package"));

    /// <summary>Where TorchSharp puts its libraries together for a script: that lies in the package cache, where nothing mends it.</summary>
    [Test]
    [Platform(Include = "Linux", Reason = "the name of the library")]
    public void ALibraryThatCannotBeLoadedIsNotCalledMissing()
    {
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, "cpu")).FullName, "libLibTorchSharp.so"), "not a library");
        Assert.That(Run(), Does.StartWith("YourOwnReward: libtorch is there and cannot be loaded on this system").And.Contain("libLibTorchSharp.so"));
    }

    /// <summary>Its one line on the error stream.</summary>
    private string Run()
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(_folder, "YourOwnReward.dll")])
        {
            WorkingDirectory = _folder,
            RedirectStandardError = true,
            RedirectStandardOutput = true
        };

        // TorchSharp looks into the package cache as well.
        start.Environment["NUGET_PACKAGES"] = _folder;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.EqualTo(1), errors + output.Result);
        Assert.That(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries), Has.Length.EqualTo(1));
        return errors;
    }
}
