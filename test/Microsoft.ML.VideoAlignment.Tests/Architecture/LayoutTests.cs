using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What a visitor of the repository finds, and that it hangs together.</summary>
public partial class LayoutTests
{
    private static readonly string[] s_top = ["Microsoft.ML.VideoAlignment.sln", "NuGet.config", "README.md", "benchmarks", "build", "examples", "src", "test"];

    [GeneratedRegex(@"<!-- (?<file>\S+\.cs)#(?<region>[\w-]+) -->\s*```csharp\n(?<code>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex MarkedBlock();

    [GeneratedRegex(@"<!-- whole program -->\s*```csharp\n")]
    private static partial Regex WholeProgram();

    [GeneratedRegex("`[^`\n]+`")]
    private static partial Regex Code();

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
        IEnumerable<string> listed = ProjectOfSolution().Matches(Repository.Read("Microsoft.ML.VideoAlignment.sln"))
            .Select(match => match.Value.Replace('\\', '/'));
        Assert.That(listed, Is.EquivalentTo(projects));
    }

    /// <summary>
    /// Every page of the repository; PACKAGE.md's programs are compiled as pasted (PackagePageTests), and so is what README marks as a whole program.
    /// </summary>
    private static IEnumerable<string> Pages() =>
        ["README.md", .. new[] { "src", "test", "benchmarks", "examples" }.SelectMany(folder => Repository.Files(folder, "README.md"))
            .Where(page => !page.Contains("/Conformance/Cases/", StringComparison.Ordinal))];

    [Test]
    public void CodeOfPagesIsCompiledCode()
    {
        foreach (string page in Pages())
        {
            string text = Repository.Read(page);
            MatchCollection blocks = MarkedBlock().Matches(text);
            Assert.That(
                blocks.Count + WholeProgram().Count(text), Is.EqualTo(AnyBlock().Count(text)), $"{page}: a code block without a mark that names its region");
            foreach (Match block in blocks)
            {
                Assert.That(block.Groups["code"].Value, Is.EqualTo(Region(block.Groups["file"].Value, block.Groups["region"].Value)),
                    $"{page}: {block.Groups["file"].Value}");
            }
        }

        Assert.That(MarkedBlock().Count(Repository.Read("README.md")), Is.GreaterThan(0));
    }

    [Test]
    public void TheRootPageIsShort() => Assert.That(Repository.Read("README.md").TrimEnd('\n').Split('\n'), Has.Length.LessThanOrEqualTo(250));

    [Test]
    public void LinksOfPagesLeadSomewhere()
    {
        foreach (string page in Pages())
        {
            string folder = Path.GetDirectoryName(page)!;
            IEnumerable<string> broken = Regex.Matches(Repository.Read(page), @"\]\((?!https?:|#)(?<path>[^)#]+)").Select(match => match.Groups["path"].Value)
                .Where(path => !Path.Exists(Path.Combine(Repository.Root, folder, path)));
            Assert.That(broken, Is.Empty, page);
        }
    }

    /// <summary>What a page says of `options.Memory.Budget` or `GradientWindow.DrTune` must be in the API.</summary>
    [Test]
    public void MembersThatPagesNameExist()
    {
        Type[] exported = typeof(VideoAlignmentOptions).Assembly.GetExportedTypes();
        var broken = new List<string>();
        foreach (string page in Pages().Concat(Repository.Files("src", "PACKAGE.md")))
        {
            foreach (Match name in Code().Matches(Repository.Read(page)).Where(code => !code.Value.Contains(".cs`", StringComparison.Ordinal))
                .SelectMany(code => Regex.Matches(code.Value, @"\b(?<owner>\w+)\.(?<member>[A-Z]\w*)")))
            {
                (string owner, string member) = (name.Groups["owner"].Value, name.Groups["member"].Value);
                Type[] owners = owner == "options" ? [typeof(VideoAlignmentOptions), typeof(VideoModelOptions)]
                    : typeof(VideoAlignmentOptions).GetProperty(owner) is { } topic ? [topic.PropertyType]
                    : [.. exported.Where(type => type.Name == owner)];
                if (owners.Length > 0 && owners.All(type => type.GetMember(member).Length == 0))
                {
                    broken.Add($"{page}: {name.Value}");
                }
            }
        }

        Assert.That(broken, Is.Empty);
    }

    [Test]
    public void TheWalkNamesFilesThatExist()
    {
        MatchCollection names = Regex.Matches(Repository.Read("src/README.md"), @"`(?<path>[\w/]+\.cs)`");
        Assert.That(names, Has.Count.GreaterThan(10));
        Assert.That(names.Select(match => match.Groups["path"].Value)
            .Where(path => !File.Exists(Path.Combine(Repository.Root, "src/Microsoft.ML.VideoAlignment", path))), Is.Empty);
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
