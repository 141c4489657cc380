using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What a visitor of the repository finds, and that it hangs together.</summary>
public partial class LayoutTests
{
    private static readonly string[] s_top = ["Microsoft.ML.VideoAlignment.sln", "NuGet.config", "README.md", "benchmarks", "build", "examples", "src", "test"];

    [GeneratedRegex(@"<!-- (?<file>\S+\.cs)#(?<region>[\w-]+) -->\s*```csharp\n(?<code>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex MarkedBlock();

    [GeneratedRegex("```csharp")]
    private static partial Regex AnyBlock();

    [GeneratedRegex(@"[^""\\]+\\[^""]+\.csproj")]
    private static partial Regex ProjectOfSolution();

    [Test]
    public void TopLevelIsExactlyThis()
    {
        string[] ignored = [.. Repository.Read(".gitignore").Split('\n').Where(line => line.EndsWith('/')).Select(line => line.TrimEnd('/'))];
        string[] entries =
        [
            .. new DirectoryInfo(Repository.Root).EnumerateFileSystemInfos().Select(entry => entry.Name)
                .Where(name => !name.StartsWith('.') && !ignored.Contains(name)).Order(StringComparer.Ordinal),
        ];
        Assert.That(entries, Is.EqualTo(s_top));
    }

    [Test]
    public void EveryProjectIsInTheSolution()
    {
        string[] projects = [.. new[] { "src", "test", "benchmarks", "examples", "build" }.SelectMany(folder => Repository.Files(folder, "*.csproj"))];
        IEnumerable<string> listed = ProjectOfSolution().Matches(Repository.Read("Microsoft.ML.VideoAlignment.sln")).Select(match => match.Value.Replace('\\', '/'));
        Assert.That(listed, Is.EquivalentTo(projects));
    }

    [Test]
    public void ReadmeCodeIsCompiledCode()
    {
        string readme = Repository.Read("README.md");
        MatchCollection blocks = MarkedBlock().Matches(readme);
        Assert.That(blocks, Has.Count.EqualTo(AnyBlock().Count(readme)), "a code block without a mark that names its region");
        Assert.That(blocks, Is.Not.Empty);
        foreach (Match block in blocks)
        {
            Assert.That(block.Groups["code"].Value, Is.EqualTo(Region(block.Groups["file"].Value, block.Groups["region"].Value)), block.Groups["file"].Value);
        }
    }

    [Test]
    public void ReadmeLinksLeadSomewhere()
    {
        foreach (string page in new[] { "README.md", "src/README.md" })
        {
            string folder = Path.GetDirectoryName(page)!;
            IEnumerable<string> broken = Regex.Matches(Repository.Read(page), @"\]\((?!https?:|#)(?<path>[^)#]+)").Select(match => match.Groups["path"].Value)
                .Where(path => !Path.Exists(Path.Combine(Repository.Root, folder, path)));
            Assert.That(broken, Is.Empty, page);
        }
    }

    [Test]
    public void TheWalkNamesFilesThatExist()
    {
        MatchCollection names = Regex.Matches(Repository.Read("src/README.md"), @"`(?<path>[\w/]+\.cs)`");
        Assert.That(names, Has.Count.GreaterThan(10));
        Assert.That(names.Select(match => match.Groups["path"].Value).Where(path => !File.Exists(Path.Combine(Repository.Root, "src/Microsoft.ML.VideoAlignment", path))), Is.Empty);
    }

    [Test]
    public void PapersLeadToTypesThatExist()
    {
        string readme = Repository.Read("README.md");
        string papers = readme[readme.IndexOf("## Papers", StringComparison.Ordinal)..];
        string sources = string.Join('\n', Repository.Files("src", "*.cs").Select(Repository.Read).Select(CSharpTokens.Code));
        IEnumerable<string> types = Regex.Matches(papers, @"`(?<type>\w+)[.\w]*`").Select(match => match.Groups["type"].Value).Distinct();
        Assert.That(types.Where(type => !Regex.IsMatch(sources, $@"\b(class|record|struct|enum|interface)\s+{type}\b")), Is.Empty);
    }

    /// <summary>
    /// The lines between "#region name" and "#endregion", indentation taken off. Warnings as errors and a formatted solution keep the rest honest.
    /// </summary>
    private static string Region(string file, string region)
    {
        string[] lines = Repository.Read(file).Split('\n');
        int start = Array.FindIndex(lines, line => line.Trim() == $"#region {region}");
        Assert.That(start, Is.GreaterThanOrEqualTo(0), $"{file} has no region {region}");
        string[] body = [.. lines.Skip(start + 1).TakeWhile(line => line.Trim() != "#endregion")];
        int indent = body.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', body.Select(line => line.Length > 0 ? line[indent..] : "")).Trim('\n');
    }
}
