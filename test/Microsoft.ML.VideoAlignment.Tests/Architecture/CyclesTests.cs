namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Within a room nothing goes in circles: folders use each other one way, and files form no knots (<see cref="SourceGraph"/>).</summary>
public class CyclesTests
{
    private const string Library = "src/Microsoft.ML.VideoAlignment/";

    /// <summary>A type and its own helper may know each other.</summary>
    private const int MostFilesOfAKnot = 2;

    /// <summary>Larger knots, by the file that is their center, and why they are none to undo.</summary>
    private static readonly Dictionary<string, string> s_knots = new(StringComparer.Ordinal)
    {
        ["Tensors/RunContext.cs"] = "what a run holds (its failures, its constants) asks which run it belongs to",
        ["Algorithms/Abstractions/IAdapterOptimizer.cs"] = "the interface of optimizers makes the one that the settings ask for",
        ["MLNet/Log.cs"] = "the log describes a whole run, and what a run is made of writes to the log",
    };

    private static readonly Lazy<SourceGraph> s_graph = new(() =>
        new SourceGraph(Repository.Files(Library, "*.cs").ToDictionary(path => path[Library.Length..], Repository.Read, StringComparer.Ordinal)));

    private static IEnumerable<string> Rooms() =>
        Repository.Files(Library, "*.cs").Select(path => Room(path[Library.Length..])).Where(room => room.Length > 0).Distinct();

    [TestCaseSource(nameof(Rooms))]
    public void FoldersOfARoomUseEachOtherOneWay(string room) => Assert.That(FolderKnots(s_graph.Value, room), Is.Empty);

    [TestCaseSource(nameof(Rooms))]
    public void FilesOfARoomFormNoKnots(string room) =>
        Assert.That(
            FileKnots(s_graph.Value, room).Where(knot => knot.Length > MostFilesOfAKnot && !knot.Any(s_knots.ContainsKey))
                .Select(knot => string.Join(' ', knot)),
            Is.Empty);

    [Test]
    public void EachKnownKnotIsThere() =>
        Assert.That(
            s_knots.Keys.Where(center => !FileKnots(s_graph.Value, Room(center)).Any(knot => knot.Length > MostFilesOfAKnot && knot.Contains(center))),
            Is.Empty);

    [TestCase("class A : B { }", "class B { }", false)]
    [TestCase("class A : B { }", "class B { object Make() => new A(); }", true)]
    [TestCase("class A : B { }", "class B { List<A>? _all; }", true)]
    [TestCase("class A { B? _b; }", "class B { string Name => nameof(A); }", true)]
    [TestCase("class A { B? _b; }", "class B { object C => A.Instance; }", true)]
    [TestCase("class A { B? _b; }", "class B { object C => N.A.Instance; }", true)]
    [TestCase("class A { B? _b; }", "class B { int A => 1; int C => A + this.A; }", false)]
    [TestCase("class A { B? _b; }", "class B { object C(D d) => d.A; object E(D d) => d with { A = 1 }; }", false)]
    [TestCase("class A { B? _b; }", "/* A */ class B { string C => \"A\"; } // A", false)]
    [TestCase("/// <see cref=\"B\"/>\nclass A { }", "class B { A? _a; }", false)]
    [TestCase("class A { class B { } B? _b; }", "class B { A? _a; }", false)]
    [TestCase("class A { B? _b; }", "class B { } class C { class A { } }", false)]
    [TestCase("class A { B? _b; }", "class C { class B { } A? _a; }", false)]
    [TestCase("delegate B A();", "enum B { A }", false)]
    [TestCase("class A { B? _b; }", "delegate A B();", true)]
    public void ACircleIsSeenHoweverItIsNamed(string a, string b, bool found)
    {
        var graph = new SourceGraph(new Dictionary<string, string> { ["R/X/A.cs"] = $"namespace N; {a}", ["R/Y/B.cs"] = $"namespace N; {b}" });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(FileKnots(graph, "R"), found ? Is.EqualTo(new[] { new[] { "R/X/A.cs", "R/Y/B.cs" } }) : Is.Empty);
            Assert.That(FolderKnots(graph, "R"), found ? Is.EqualTo(new[] { "R/X R/Y" }) : Is.Empty);
        }
    }

    [Test]
    public void FoldersMeetAtFilesOfTheRoom()
    {
        var sources = new Dictionary<string, string>
        {
            ["R/X/A.cs"] = "class A { B? _b; }",
            ["R/B.cs"] = "class B { C? _c; }",
            ["R/X/C.cs"] = "class C { }",
        };
        using (Assert.EnterMultipleScope())
        {
            Assert.That(FolderKnots(new SourceGraph(sources), "R"), Is.EqualTo(new[] { "R/B.cs R/X" }), "a file that uses a folder and serves it");
            Assert.That(FileKnots(new SourceGraph(sources), "R"), Is.Empty);
        }
    }

    [Test]
    public void ATypeInSeveralFilesIsAtHomeInTheOneWithItsName()
    {
        var graph = new SourceGraph(new Dictionary<string, string>
        {
            ["R/A.More.cs"] = "partial class A { B? _b; }",
            ["R/A.cs"] = "partial class A { }",
            ["R/B.cs"] = "class B { A? _a; }",
        });
        Assert.That(graph.Uses["R/B.cs"], Is.EqualTo(new[] { "R/A.cs" }));
    }

    // A file that stands in the room itself counts as a folder of one.
    private static string[] FolderKnots(SourceGraph graph, string room) =>
    [
        .. graph.Knots(path => Room(path) != room ? null : path.Split('/') is { Length: > 2 } parts ? $"{room}/{parts[1]}" : path)
            .Where(knot => knot.Any(node => !node.EndsWith(".cs", StringComparison.Ordinal))).Select(knot => string.Join(' ', knot)),
    ];

    private static IReadOnlyList<string[]> FileKnots(SourceGraph graph, string room) => graph.Knots(path => Room(path) == room ? path : null);

    private static string Room(string path) => path.Contains('/') ? path[..path.IndexOf('/')] : "";
}
