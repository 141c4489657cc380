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
        byte[] strict = WithFlags(File.ReadAllBytes(Native()), 0);
        string source = Path.Combine(_folder, "libLibTorchSharp.so");
        File.WriteAllBytes(source, strict);
        (int code, string output) = Build("Show");
        Assert.That(code, Is.Zero, output);
        string[] listed = [.. output.Split('\n').Select(line => line.Trim()).Where(line => line.StartsWith("published: ", StringComparison.Ordinal)).Select(line => line["published: ".Length..])];
        string[] native = listed.Single(line => line.EndsWith("libLibTorchSharp.so", StringComparison.Ordinal)).Split('|');
        Assert.That(native[1], Is.EqualTo("runtimes/linux-x64/native/libLibTorchSharp.so"), "its place in the publish folder");
        Assert.That(Flags(File.ReadAllBytes(native[0])), Is.EqualTo(2), "weak");
        Assert.That(File.ReadAllBytes(source), Is.EqualTo(strict));
        Assert.That(listed, Has.One.EndsWith("|other.dll"), "other files stay");
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
        var start = new ProcessStartInfo("dotnet", ["msbuild", project, $"-t:{target}", "-nologo", "-nodeReuse:false", .. properties]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    /// <summary>The library of an example, patched as it is.</summary>
    private static string Native() => Directory.EnumerateFiles(ExampleProgram.Folder("GenerateVideo"), "libLibTorchSharp.so", SearchOption.AllDirectories).First();

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
