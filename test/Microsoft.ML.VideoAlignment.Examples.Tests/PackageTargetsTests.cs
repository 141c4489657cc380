using System.Buffers.Binary;
using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the package's targets file does to a publish, on a project that has the SDK's targets in name only.</summary>
public class PackageTargetsTests
{
    private const string Version = "GLIBCXX_3.4.32";

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("targets-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("PublishTrimmed")]
    [TestCase("PublishAot")]
    public void WhatWouldFailAtStartIsAnErrorWhenPublished(string property)
    {
        (int code, string output) = Build("PrepareForPublish", $"-p:{property}=true");
        Assert.That(code, Is.Not.Zero);
        Assert.That(output, Does.Contain("error VIDALIGN001: Microsoft.ML.VideoAlignment: ML.NET and TorchSharp find types and members by reflection"));
    }

    [Test]
    public void APublishForEverySystemSaysHowLargeItIs()
    {
        (int code, string output) = Build("PrepareForPublish");
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("dotnet publish -r linux-x64"));
    }

    /// <summary>Single files are made from the list of what is published, so the patched copy has to stand there.</summary>
    [Test]
    [Platform(Include = "Linux", Reason = "the library is patched on Linux only")]
    public void WhatIsPublishedIsThePatchedLibraryAndTheSourceStaysAsItWas()
    {
        byte[] strict = WriteLibrary(out string source);
        (string[] listed, string[] native) = Publish($"-p:LibstdcxxFolders={LibstdcxxFolder("GLIBCXX_3.4.30")}");
        Assert.That(native[1], Is.EqualTo("runtimes/linux-x64/native/libLibTorchSharp.so"), "its place in the publish folder");
        Assert.That(Flags(File.ReadAllBytes(native[0])), Is.EqualTo(2), "weak");
        Assert.That(File.ReadAllBytes(source), Is.EqualTo(strict));
        Assert.That(listed, Has.One.EndsWith("|other.dll"), "other files stay");
    }

    /// <summary>What the system lacks decides, unless the project says it: a program may run on an older system than the one that builds it.</summary>
    [TestCase("GLIBCXX_3.4.30", null, true)]
    [TestCase("GLIBCXX_3.4.32", null, false)]
    [TestCase("GLIBCXX_3.4.320", null, true)]
    [TestCase(null, null, true)]
    [TestCase("GLIBCXX_3.4.30", "auto", true)]
    [TestCase("GLIBCXX_3.4.32", "auto", false)]
    [TestCase("GLIBCXX_3.4.32", "true", true)]
    [TestCase("GLIBCXX_3.4.30", "false", false)]
    [Platform(Include = "Linux", Reason = "the library is patched on Linux only")]
    public void TheLibraryIsPatchedOnlyWhereTheSystemsIsTooOld(string? newest, string? chosen, bool patched)
    {
        WriteLibrary(out string source);
        string[] choice = chosen is null ? [] : [$"-p:PatchTorchSharpNative={chosen}"];
        (_, string[] native) = Publish([$"-p:LibstdcxxFolders={LibstdcxxFolder(newest)}", .. choice]);
        Assert.That(Flags(File.ReadAllBytes(native[0])), Is.EqualTo(patched ? 2 : 0));
        Assert.That(native[0], patched ? Is.Not.EqualTo(source) : Is.EqualTo(source), "what is not patched is published from where it lies");
    }

    /// <summary>Writes a native library as TorchSharp publishes it.</summary>
    private byte[] WriteLibrary(out string path)
    {
        byte[] strict = WithFlags(File.ReadAllBytes(Native()), 0);
        File.WriteAllBytes(path = Path.Combine(_folder, "libLibTorchSharp.so"), strict);
        return strict;
    }

    /// <summary>Makes the folder of a system whose libstdc++ has this version at most; null: it has none.</summary>
    private string LibstdcxxFolder(string? newest)
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, "system")).FullName;
        if (newest is not null)
        {
            File.WriteAllText(Path.Combine(folder, "libstdc++.so.6"), $"GLIBCXX_3.4\0GLIBCXX_3.4.9\0{newest}\0");
        }

        return folder;
    }

    /// <summary>Lists what would be published: all lines, and path and place of the native library.</summary>
    private (string[] Listed, string[] Native) Publish(params string[] properties)
    {
        (int code, string output) = Build("Show", properties);
        Assert.That(code, Is.Zero, output);
        string[] listed =
        [
            .. output.Split('\n').Select(line => line.Trim()).Where(line => line.StartsWith("published: ", StringComparison.Ordinal))
                .Select(line => line["published: ".Length..]),
        ];
        return (listed, listed.Single(line => line.EndsWith("libLibTorchSharp.so", StringComparison.Ordinal)).Split('|'));
    }

    private (int Code, string Output) Build(string target, params string[] properties)
    {
        string project = Path.Combine(_folder, "publish.proj");
        File.WriteAllText(project, $$"""
            <Project>
              <PropertyGroup><IntermediateOutputPath>obj/</IntermediateOutputPath></PropertyGroup>
              <Import Project="{{Path.Combine(Repository.Root, "build", "PatchTorchSharpNative.targets")}}" />
              <Target Name="PrepareForPublish" />
              <Target Name="ComputeResolvedFilesToPublishList">
                <ItemGroup>
                  <ResolvedFileToPublish Include="libLibTorchSharp.so" RelativePath="runtimes/linux-x64/native/libLibTorchSharp.so" />
                  <ResolvedFileToPublish Include="other.dll" RelativePath="other.dll" />
                </ItemGroup>
              </Target>
              <Target Name="Show" DependsOnTargets="ComputeResolvedFilesToPublishList">
                <Message Importance="high" Text="published: %(ResolvedFileToPublish.FullPath)|%(ResolvedFileToPublish.RelativePath)" />
              </Target>
            </Project>
            """);
        string[] arguments = ["msbuild", project, $"-t:{target}", "-nologo", "-nodeReuse:false", .. properties];
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    /// <summary>The library of an example, patched as it is.</summary>
    private static string Native() =>
        Directory.EnumerateFiles(ExampleProgram.Folder("GenerateVideo"), "libLibTorchSharp.so", SearchOption.AllDirectories).First();

    /// <summary>Flags of the version need: in its ELF entry they follow the hash of the name.</summary>
    private static ushort Flags(byte[] library) => BinaryPrimitives.ReadUInt16LittleEndian(library.AsSpan(Place(library)));

    private static byte[] WithFlags(byte[] library, ushort flags)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(library.AsSpan(Place(library)), flags);
        return library;
    }

    private static int Place(byte[] library)
    {
        uint hash = 0;
        foreach (char letter in Version)
        {
            hash = (hash << 4) + letter;
            uint high = hash & 0xF0000000;
            hash = (hash ^ (high >> 24)) & ~high;
        }

        byte[] sought = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(sought, hash);
        int at = library.AsSpan().IndexOf(sought);
        Assert.That(at, Is.GreaterThan(0), $"{Version} is needed");
        return at + sizeof(uint);
    }
}
