using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is said where libtorch is missing. A program without it is run in the tests of the examples.</summary>
public class NativeTorchTests
{
    [TestCase("linux-x64", "dotnet add package TorchSharp-cpu --version 0.107.0, or TorchSharp-cuda-linux for NVIDIA GPUs.")]
    [TestCase("debian.12-x64", "dotnet add package TorchSharp-cpu --version 0.107.0, or TorchSharp-cuda-linux for NVIDIA GPUs.")]
    [TestCase("win-x64", "dotnet add package TorchSharp-cpu --version 0.107.0, or TorchSharp-cuda-windows for NVIDIA GPUs.")]
    [TestCase("osx-arm64", "dotnet add package TorchSharp-cpu --version 0.107.0.")]
    public void ThePackageOfTheSystemIsNamed(string system, string command)
    {
        string text = NativeTorch.Explain(system, "0.107.0", refusal: null);
        Assert.That(text, Does.Contain(command).And.Contain(system).And.Contain("#r \"nuget: TorchSharp-cpu, 0.107.0\""));
    }

    [TestCase("linux-arm64")]
    [TestCase("linux-musl-x64")]
    [TestCase("alpine.3.20-x64")]
    [TestCase("osx-x64")]
    [TestCase("win-arm64")]
    public void WhereThereIsNoneThatIsSaid(string system) =>
        Assert.That(NativeTorch.Explain(system, "0.107.0", refusal: null),
            Does.Contain($"There is none for this system, {system}").And.Not.Contain("dotnet add"));

    [Test]
    public void ALibraryThatCannotBeLoadedIsNotCalledMissing()
    {
        string text = NativeTorch.Explain("linux-x64", "0.107.0", "Unable to load: version `GLIBCXX_3.4.32' not found.");
        Assert.That(text, Does.StartWith("libtorch is there and cannot be loaded").And.Contain("GLIBCXX_3.4.32").And.Contain(
            "-p:PatchTorchSharpNative=true").And.Not.Contain("dotnet add"));
    }

    [Test]
    public void WhereItIsNothingHappens() => Assert.That(NativeTorch.Require, Throws.Nothing);
}
