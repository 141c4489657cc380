using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The pages of the packages: their code is pasted into a new console project.</summary>
public partial class PackagePageTests
{
    /// <summary>What a project of <c>dotnet new console</c> has at hand.</summary>
    private const string ImplicitUsings = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;
        global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;
        """;

    [GeneratedRegex("```csharp\n(?<code>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Code();

    [GeneratedRegex("<!-- whole program -->\\s*```csharp\n(?<code>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex WholeProgram();

    private static IEnumerable<TestCaseData> Programs() => PackagePrograms().Concat(WholeProgram().Matches(Repository.Read("README.md"))
        .Select((block, at) => new TestCaseData(block.Groups["code"].Value).SetArgDisplayNames($"README.md, {at + 1}")));

    private static IEnumerable<TestCaseData> PackagePrograms() => Repository.Files("src", "PACKAGE.md").SelectMany(page => Code().Matches(Repository.Read(page))
        .Select((block, at) => new TestCaseData(block.Groups["code"].Value).SetArgDisplayNames($"{page.Split('/')[1]}, {at + 1}")));

    [TestCaseSource(nameof(Programs))]
    public void CodeOfThePageCompilesAsPasted(string code)
    {
        // The assemblies that this program runs on: the packages' own, and what they bring along.
        string[] assemblies = [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(file => !Path.GetFileName(file).StartsWith("Microsoft.CodeAnalysis", StringComparison.Ordinal))];
        var compilation = CSharpCompilation.Create(
            "Pasted", [CSharpSyntaxTree.ParseText(code), CSharpSyntaxTree.ParseText(ImplicitUsings)],
                assemblies.Select(file => MetadataReference.CreateFromFile(file)),
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        Assert.That(compilation.GetDiagnostics().Where(diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning), Is.Empty);
    }

    /// <summary>All packages show how they are used.</summary>
    [Test]
    public void EveryPackageShowsCode() => Assert.That(
        Repository.Files("src", "PACKAGE.md").Where(page => !Code().IsMatch(Repository.Read(page))), Is.Empty);

    /// <summary>The pages name the version of TorchSharp that the library is built with.</summary>
    [Test]
    public void ThePagesNameTheVersionOfTorchSharp()
    {
        string version =
            Regex.Match(Repository.Read("build/Directory.Packages.props"), "\"TorchSharp\" Version=\"(?<version>[^\"]+)\"").Groups["version"].Value;
        string pages = string.Join('\n', Repository.Files("src", "PACKAGE.md").Select(Repository.Read));
        MatchCollection named = Regex.Matches(pages, @"TorchSharp-cpu(?: --version |, )(?<version>[\d.]+)");
        Assert.That(named.Select(match => match.Groups["version"].Value.TrimEnd('.')), Is.Not.Empty.And.All.EqualTo(version));
    }
}
