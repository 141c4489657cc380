using System.Xml.Linq;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is in which package. build/check-packages.sh looks into the packages themselves, and uses them.</summary>
public class PackagesTests
{
    private const string Library = "src/Microsoft.ML.VideoAlignment";

    private static readonly string[] s_weights = ["*.safetensors", "*.pt", "*.pth", "*.tar", "*.ckpt", "*.bin"];

    [Test]
    public void TheLibraryHoldsNoWeights() =>
        Assert.That(s_weights.SelectMany(pattern => Repository.Files(Library, pattern)), Is.Empty);

    /// <summary>Models of another package are known to the list of packages alone.</summary>
    [Test]
    public void NoPipelineRewardOrLoaderKnowsThePackagedModels()
    {
        string[] naming =
        [
            .. Repository.Files(Library, "*.cs").Where(file => CSharpTokens.Code(Repository.Read(file)).Contains("MovingShapes", StringComparison.Ordinal)),
        ];
        Assert.That(naming, Is.EqualTo(new[] { $"{Library}/MLNet/CompanionPackages.cs" }));
    }

    [Test]
    public void EveryPackageHasItsPageAndItsPublicApi()
    {
        foreach (string project in Repository.Files("src", "*.csproj"))
        {
            string folder = Path.GetDirectoryName(project)!.Replace('\\', '/');
            string[] files = ["PACKAGE.md", "PublicAPI.Shipped.txt", "PublicAPI.Unshipped.txt"];
            Assert.That(files.Select(name => Path.Combine(Repository.Root, folder, name)), Has.All.Exist);
            Assert.That(Repository.Read("src/README.md") + Repository.Read($"{folder}/PACKAGE.md"), Does.Contain(Path.GetFileNameWithoutExtension(project)));
        }
    }

    /// <summary>A package's target changes nothing in a build that the page does not say: a property that it sets would be one.</summary>
    [TestCase("build/PatchTorchSharpNative.targets")]
    [TestCase("src/Microsoft.ML.VideoAlignment.MovingShapes/CopyModels.targets")]
    public void TargetsOfPackagesSetNoPropertyOfTheProject(string file)
    {
        // Those inside a target begin with an underscore and are the target's own.
        System.Xml.Linq.XElement root = System.Xml.Linq.XDocument.Parse(Repository.Read(file)).Root!;
        Assert.That(root.Descendants("PropertyGroup").Elements().Select(property => property.Name.LocalName).Where(name => !name.StartsWith('_')), Is.Empty);
        Assert.That(root.Elements("PropertyGroup"), Is.Empty);
    }
}
