using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Emit;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>The library's sources as a compilation, the way its project builds them: same references, same generated files, same resources.</summary>
internal sealed class Sources
{
    private const string Name = "Microsoft.ML.VideoAlignment";

    private static readonly CSharpParseOptions s_language = new(LanguageVersion.Latest);

    private readonly string _built;
    private readonly CSharpCompilation _compilation;

    /// <summary>Parses and compiles.</summary>
    /// <param name="root">The repository.</param>
    /// <param name="tests">The folder with the built tests and all they need.</param>
    /// <param name="configuration">Of the build.</param>
    public Sources(string root, string tests, string configuration)
    {
        string folder = Path.Combine(root, "src", Name);
        _built = Path.Combine(tests, $"{Name}.dll");
        Files = Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/'))
            .Where(path => !path.StartsWith("bin/", StringComparison.Ordinal) && !path.StartsWith("obj/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .ToDictionary(path => path, path => Parse(File.ReadAllText(Path.Combine(folder, path)), path));
        IEnumerable<SyntaxTree> made = Directory.EnumerateFiles(Path.Combine(folder, "obj", configuration, "net10.0"), "*.cs")
            .Select(path => Parse(File.ReadAllText(path), path));
        _compilation = CSharpCompilation.Create(Name, [.. Files.Values, .. made, Parse(Schemata.Switch, "FaultSwitch.cs")], References(tests),
            new CSharpCompilationOptions(
            OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Release, allowUnsafe: true,
                nullableContextOptions: NullableContextOptions.Enable));
        CSharpGeneratorDriver.Create(Generators(), parseOptions: s_language).RunGeneratorsAndUpdateCompilation(_compilation, out Compilation generated, out _);
        _compilation = (CSharpCompilation)generated;
    }

    /// <summary>Every file by its path in the library's folder.</summary>
    public IReadOnlyDictionary<string, SyntaxTree> Files { get; }

    /// <summary>Knows the types of a file.</summary>
    /// <param name="tree">One of <see cref="Files"/>.</param>
    public SemanticModel Model(SyntaxTree tree) => _compilation.GetSemanticModel(tree);

    /// <summary>Those that the compiler takes; one that it refuses is no fault.</summary>
    /// <param name="sites">What is wanted.</param>
    /// <exception cref="InvalidOperationException">The sources do not compile without faults either.</exception>
    public IReadOnlyList<FaultSite> Compilable(IReadOnlyList<FaultSite> sites)
    {
        while (true)
        {
            CSharpCompilation compilation = With(sites, out List<SyntaxTree> changed);
            Diagnostic[] errors = [.. changed.SelectMany(tree => compilation.GetSemanticModel(tree).GetDiagnostics())
                .Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)];
            if (errors.Length == 0)
            {
                return sites;
            }

            HashSet<int> refused = [.. errors.SelectMany(Numbers)];
            if (refused.Count == 0)
            {
                throw new InvalidOperationException(
                    $"The sources do not compile: {string.Join(Environment.NewLine, errors.Take(5).Select(error => error.ToString()))}");
            }

            sites = [.. sites.Where((_, number) => !refused.Contains(number))];
        }
    }

    /// <summary>Writes the assembly with these faults; a fault's number is its place in the list.</summary>
    /// <param name="sites">Faults that the compiler takes.</param>
    /// <param name="path">Where the assembly goes.</param>
    /// <exception cref="InvalidOperationException">The compiler does not take them.</exception>
    public void Emit(IReadOnlyList<FaultSite> sites, string path)
    {
        var original = Assembly.LoadFile(_built);
        IEnumerable<ResourceDescription> resources = original.GetManifestResourceNames()
            .Select(name => new ResourceDescription(name, () => original.GetManifestResourceStream(name)!, isPublic: true));
        using FileStream file = File.Create(path);
        EmitResult result = With(sites, out _).Emit(file, manifestResources: resources);
        if (!result.Success)
        {
            throw new InvalidOperationException(
                $"The faulty assembly cannot be written: {result.Diagnostics.First(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)}");
        }
    }

    private CSharpCompilation With(IReadOnlyList<FaultSite> sites, out List<SyntaxTree> changed)
    {
        CSharpCompilation compilation = _compilation;
        changed = [];
        foreach (var file in sites.Select((site, number) => (Number: number, Site: site)).GroupBy(pair => pair.Site.Node.SyntaxTree))
        {
            changed.Add(Parse(Schemata.Write(file.Key, file), file.Key.FilePath));
            compilation = compilation.ReplaceSyntaxTree(file.Key, changed[^1]);
        }

        return compilation;
    }

    /// <summary>The switches around an error, the innermost; where there is none, those of the member.</summary>
    private static IEnumerable<int> Numbers(Diagnostic error)
    {
        const string Mark = "FaultSwitch.On(";
        if (error.Location.SourceTree is not { } tree)
        {
            return [];
        }

        SyntaxNode node = tree.GetRoot().FindNode(error.Location.SourceSpan, getInnermostNodeForTie: true);
        return node.AncestorsAndSelf().Select(Inside).FirstOrDefault(numbers => numbers.Count > 0) ?? [];

        static List<int> Inside(SyntaxNode node)
        {
            string text = node.ToString();
            var numbers = new List<int>();
            for (int at = text.IndexOf(Mark, StringComparison.Ordinal); at >= 0; at = text.IndexOf(Mark, at + 1, StringComparison.Ordinal))
            {
                numbers.Add(int.Parse(text.AsSpan(at + Mark.Length, text.IndexOf(')', at) - at - Mark.Length),
                    System.Globalization.CultureInfo.InvariantCulture));
            }

            return numbers;
        }
    }

    private static SyntaxTree Parse(string text, string path) => CSharpSyntaxTree.ParseText(text, s_language, path);

    private static IEnumerable<MetadataReference> References(string tests)
    {
        string framework = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        IEnumerable<string> system = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => Path.GetDirectoryName(path) == framework);
        HashSet<string> names = [.. system.Select(path => Path.GetFileName(path))];
        IEnumerable<string> packages = Directory.EnumerateFiles(tests, "*.dll")
            .Where(path => !names.Contains(Path.GetFileName(path)) && !Path.GetFileName(path).StartsWith(Name, StringComparison.Ordinal) && IsManaged(path));
        return [.. system.Concat(packages).Select(path => MetadataReference.CreateFromFile(path))];
    }

    private static bool IsManaged(string path)
    {
        try
        {
            AssemblyName.GetAssemblyName(path);
            return true;
        }
        catch (BadImageFormatException)
        {
            return false;
        }
    }

    /// <summary>Those of the framework's reference pack, which every project has.</summary>
    private static IEnumerable<ISourceGenerator> Generators()
    {
        string packs =
            Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "..", "..", "..", "packs", "Microsoft.NETCore.App.Ref"));
        string pack = Directory.EnumerateDirectories(packs, "10.*").Order(StringComparer.Ordinal).Last();
        return [.. Directory.EnumerateFiles(Path.Combine(pack, "analyzers", "dotnet", "cs"), "*.dll")
            .SelectMany(path => new AnalyzerFileReference(path, new Loader()).GetGenerators(LanguageNames.CSharp))];
    }

    private sealed class Loader : IAnalyzerAssemblyLoader
    {
        public void AddDependencyLocation(string fullPath)
        {
        }

        public Assembly LoadFromPath(string fullPath) => Assembly.LoadFrom(fullPath);
    }
}
