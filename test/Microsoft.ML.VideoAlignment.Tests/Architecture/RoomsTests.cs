using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A room (folder of the assembly) may use only rooms on lower floors. Read from the sources, comments and text aside.</summary>
public partial class RoomsTests
{
    private const string Library = "src/Microsoft.ML.VideoAlignment";

    /// <summary>src/README.md shows the same floors.</summary>
    private static readonly string[][] s_floors =
    [
        ["Files", "Tensors"],
        ["Layers", "Weights", "Schedulers", "Video"],
        ["Encoders", "Lora", "Runs"],
        ["Sampling"],
        ["Models", "Rewards"],
        ["Algorithms"],
        ["Memory"],
        ["MLNet"],
    ];

    private static readonly string[] s_declaringWords = ["class", "struct", "interface", "enum", "record", "delegate"];

    [GeneratedRegex(@"\b(no_grad|inference_mode|detach_?|manual_seed)\b|\.\s*item\s*[<(]")]
    private static partial Regex GradientPolicy();

    [Test]
    public void EveryFolderIsARoom()
    {
        IEnumerable<string> folders = Repository.Files(Library, "*.cs").Select(Room).Where(room => room.Length > 0).Distinct();
        Assert.That(folders, Is.SubsetOf(s_floors.SelectMany(floor => floor)), "a folder that is on no floor");
    }

    [Test]
    public void TheRootHasWhatUsersName() =>
        Assert.That(
            Repository.Files(Library, "*.cs").Where(path => Room(path).Length == 0)
                .SelectMany(path => InternalTypes(Repository.Read(path)).Select(name => $"{path}: {name}")),
            Is.Empty, "give it a room");

    [TestCase("public class A { class B { } } internal class C { } class D { } public delegate void E(); enum F { }", "C D F")]
    [TestCase("namespace N { file record G; public record struct H; internal interface I { } }", "G I")]
    public void AnInternalTypeIsSeen(string source, string found) => Assert.That(InternalTypes(source), Is.EqualTo(found.Split(' ')));

    [Test]
    public void RoomsUseOnlyLowerFloors()
    {
        Dictionary<string, string> sources = Repository.Files(Library, "*.cs").ToDictionary(path => path, Repository.Read, StringComparer.Ordinal);
        Assert.That(sources, Is.Not.Empty);
        Assert.That(Violations(sources), Is.Empty);
    }

    [Test]
    public void AHigherRoomIsSeenHoweverItIsNamed()
    {
        const string reward = "namespace Microsoft.ML.VideoAlignment; public abstract record class Reward { }";
        const string door = "namespace Microsoft.ML.VideoAlignment; public sealed class Options { }";
        string[] Find(string path, string text) =>
            [.. Violations(
                new Dictionary<string, string> { [$"{Library}/Rewards/Reward.cs"] = reward, [$"{Library}/Options.cs"] = door, [$"{Library}/{path}"] = text })];

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Find("Layers/A.cs", "class A { Reward? _r; }"), Has.Length.EqualTo(1), "a field's type");
            Assert.That(Find("Layers/A.cs", "class A { object B() => new List<Reward>(); }"), Has.Length.EqualTo(1), "a type argument");
            Assert.That(Find("Layers/A.cs", "class A { string B(object r) => $\"{(r is Reward ? \"x\" : \"y\")}\"; }"), Has.Length.EqualTo(1),
                "the hole of a string");
            Assert.That(Find("Layers/A.cs", "using Microsoft.ML.VideoAlignment.Rewards; class A { }"), Has.Length.EqualTo(1), "a using");
            Assert.That(Find("Models/A.cs", "class A { Reward? _r; }"), Has.Length.EqualTo(1), "a room of the same floor");
            Assert.That(Find("Algorithms/A.cs", "class A { Options? _o; }"), Has.Length.EqualTo(1), "the door");
            Assert.That(Find("Algorithms/A.cs", "class A { Reward? _r; }"), Is.Empty, "a lower floor");
            Assert.That(Find("Rewards/A.cs", "class A { Reward? _r; }"), Is.Empty, "the room itself");
            Assert.That(Find("Layers/A.cs",
                "/* Reward */ class A { string B => \"Reward\" + $\"Reward {1}\" + @\"Re\"\"ward Reward\" + \"\"\"Reward\"\"\"; } // Reward"), Is.Empty,
                    "text");
            Assert.That(Find("Layers/A.cs", "class A { int Reward => 1; int C(A a) => a.Reward; }"), Is.Empty, "a member that happens to have the name");
        }
    }

    [TestCase("Models", 5)]
    [TestCase("Algorithms", 3)]
    public void SlicesDoNotSeeEachOther(string room, int slices)
    {
        Dictionary<string, string> sources = Repository.Files($"{Library}/{room}", "*.cs").ToDictionary(path => path, Repository.Read, StringComparer.Ordinal);
        Assert.That(sources.Keys.Select(Slice).Distinct().Count(), Is.GreaterThan(slices), "the shared folders and the slices");
        Assert.That(SliceViolations(sources), Is.Empty);
    }

    /// <summary>What estimates, logs, saves and resumes a run asks its algorithm, and does not ask which one it is.</summary>
    [TestCase("Memory")]
    [TestCase("MLNet")]
    public void NoOtherRoomKnowsAnAlgorithm(string room)
    {
        HashSet<string> known =
        [
            .. Repository.Files($"{Library}/Algorithms", "*.cs").Where(path => Slice(path) is not ("" or "Abstractions"))
                .SelectMany(path => Declared(CSharpTokens.Read(Repository.Read(path))).Where(name => name.StartsWith(Slice(path), StringComparison.Ordinal))),
        ];
        Assert.That(known, Does.Contain("DdpoAlgorithm").And.Contain("RewardGradientTrainer"));
        Assert.That(
            Repository.Files($"{Library}/{room}", "*.cs")
                .SelectMany(path => CSharpTokens.Read(Repository.Read(path)).Where(known.Contains).Select(name => $"{path}: {name}")),
            Is.Empty);
    }

    [Test]
    public void NoFamilyOverridesTheModel() => Assert.That(typeof(VideoDiffusionModel).IsSealed, "a family gives the model parts of its own (ModelParts)");

    [TestCase("ModelScope", "B", true)]
    [TestCase("Shared", "B", true)]
    [TestCase("Abstractions", "B", true)]
    [TestCase("Abstractions", "S", true)]
    [TestCase("ModelScope", "S", false)]
    [TestCase("Shared", "A", false)]
    [TestCase("OpenSora", "B", false)]
    [TestCase("", "B", false)]
    public void ANameOfAnotherFamilyIsSeen(string slice, string name, bool found)
    {
        var sources = new Dictionary<string, string>
        {
            [$"{Library}/Models/OpenSora/B.cs"] = "class B { }",
            [$"{Library}/Models/Shared/S.cs"] = "class S { }",
            [$"{Library}/Models/Abstractions/A.cs"] = "class A { }",
            [slice.Length == 0 ? $"{Library}/Models/User.cs" : $"{Library}/Models/{slice}/User.cs"] = $"class User {{ {name}? _field; }}",
        };
        Assert.That(SliceViolations(sources).Any(), Is.EqualTo(found));
    }

    [TestCase("Schedulers")]
    [TestCase("Models")]
    [TestCase("Rewards")]
    public void GradientPolicyBelongsToTheTrainer(string room)
    {
        string[] found =
        [
            .. Repository.Files($"{Library}/{room}", "*.cs")
            .Where(path => Path.GetFileName(path) != "UntrainedWeights.cs") // fills weights, of which nothing is recorded
                .SelectMany(path => GradientPolicy().Matches(CSharpTokens.Code(Repository.Read(path))).Select(match => $"{path}: {match.Value}")),
        ];
        Assert.That(found, Is.Empty);
    }

    [TestCase("using var guard = no_grad();", true)]
    [TestCase("Tensor y = x.detach();", true)]
    [TestCase("double y = x.item<double>();", true)]
    [TestCase("double y = x. item <double>();", true)]
    [TestCase("// x.detach() would cut the graph", false)]
    [TestCase("y.DetachFromDisposeScope();", false)]
    [TestCase("items.itemize();", false)]
    public void GradientPolicyIsReadFromCode(string line, bool found) => Assert.That(GradientPolicy().IsMatch(CSharpTokens.Code(line)), Is.EqualTo(found));

    private static IEnumerable<string> InternalTypes(string source) =>
        CSharpSyntaxTree.ParseText(source, new CSharpParseOptions(LanguageVersion.Preview)).GetRoot()
            .DescendantNodes(node => node is CompilationUnitSyntax or BaseNamespaceDeclarationSyntax).OfType<MemberDeclarationSyntax>()
            .Where(member => member is BaseTypeDeclarationSyntax or DelegateDeclarationSyntax && !member.Modifiers.Any(SyntaxKind.PublicKeyword))
            .Select(member => member is BaseTypeDeclarationSyntax type ? type.Identifier.ValueText : ((DelegateDeclarationSyntax)member).Identifier.ValueText);

    /// <summary>One line for each file and each name from a room it may not use.</summary>
    private static IEnumerable<string> Violations(IReadOnlyDictionary<string, string> sources)
    {
        Dictionary<string, List<string>> tokens = sources.ToDictionary(pair => pair.Key, pair => CSharpTokens.Read(pair.Value), StringComparer.Ordinal);
        ILookup<string, string> roomsOf = tokens.SelectMany(pair => Declared(pair.Value).Select(name => (Name: name, Room: Room(pair.Key)))).Distinct()
            .ToLookup(pair => pair.Name, pair => pair.Room, StringComparer.Ordinal);
        foreach ((string path, List<string> file) in tokens)
        {
            string room = Room(path);
            HashSet<string> members = Members(file);
            for (int at = 0; at < file.Count; at++)
            {
                string name = file[at];
                bool ofRoom = at > 1 && file[at - 1] == "." && (file[at - 2] == "VideoAlignment" || s_floors.Any(floor => floor.Contains(file[at - 2])));
                string? bad = null;
                if (at > 1 && file[at - 1] == "." && file[at - 2] == "VideoAlignment" && name != room && s_floors.Any(floor => floor.Contains(name)))
                {
                    bad = MayUse(room, name) ? null : name;
                }
                else if ((at == 0 || file[at - 1] != "." || ofRoom) && !members.Contains(name) && roomsOf.Contains(name) && !roomsOf[name].Contains(room))
                {
                    bad = roomsOf[name].All(other => !MayUse(room, other)) ? $"{name} of {roomsOf[name].First()}" : null;
                }

                if (bad is not null)
                {
                    yield return $"{path} ({room}) uses {bad}";
                }
            }
        }
    }

    /// <summary>
    /// One line for each file of a room and each name that its folder may not use: a slice uses itself and what is common, and only what lies beside the
    /// folders knows the slices.
    /// </summary>
    private static IEnumerable<string> SliceViolations(IReadOnlyDictionary<string, string> sources)
    {
        Dictionary<string, List<string>> tokens = sources.ToDictionary(pair => pair.Key, pair => CSharpTokens.Read(pair.Value), StringComparer.Ordinal);
        ILookup<string, string> slicesOf = tokens.SelectMany(pair => Declared(pair.Value).Select(name => (Name: name, Slice: Slice(pair.Key)))).Distinct()
            .ToLookup(pair => pair.Name, pair => pair.Slice, StringComparer.Ordinal);
        foreach ((string path, List<string> file) in tokens.Where(pair => Slice(pair.Key).Length > 0))
        {
            string slice = Slice(path);
            string[] lower = slice == "Abstractions" ? [slice] : slice == "Shared" ? [slice, "Abstractions"] : [slice, "Shared", "Abstractions"];
            HashSet<string> members = Members(file);
            IEnumerable<string> used = file.Where((name, at) => (at == 0 || file[at - 1] != ".") && !members.Contains(name) && slicesOf.Contains(name))
                .Distinct();
            foreach (string name in used.Where(name => !slicesOf[name].Any(lower.Contains)))
            {
                yield return $"{path} uses {name} of {string.Join(", ", slicesOf[name])}";
            }
        }
    }

    /// <summary>The folder below a room; empty: what is beside the folders.</summary>
    private static string Slice(string path) => path[(Library.Length + 1)..].Split('/') is [_, string slice, _, ..] ? slice : "";

    private static bool MayUse(string room, string other) => room == other || Floor(other) < Floor(room);

    /// <summary>The door, at the project's root, is the top floor.</summary>
    private static int Floor(string room) => room.Length == 0 ? s_floors.Length : Array.FindIndex(s_floors, floor => floor.Contains(room));

    private static string Room(string path) => path[(Library.Length + 1)..].Split('/') is { Length: > 1 } parts ? parts[0] : "";

    private static IEnumerable<string> Declared(List<string> file)
    {
        for (int at = 0; at + 1 < file.Count; at++)
        {
            if (s_declaringWords.Contains(file[at]) && char.IsLetter(file[at + 1][0]) && !s_declaringWords.Contains(file[at + 1])
                && (at == 0 || file[at - 1] is not (":" or ",")))
            {
                yield return file[at] == "delegate" ? DelegateName(file, at) : file[at + 1];
            }
        }
    }

    private static string DelegateName(List<string> file, int at)
    {
        int open = file.IndexOf("(", at);
        return open > at ? file[open - 1] : "";
    }

    /// <summary>Names that stand where a member or variable is declared, behind another type's name: "int Reward =>".</summary>
    private static HashSet<string> Members(List<string> file)
    {
        var members = new HashSet<string>(StringComparer.Ordinal);
        for (int at = 1; at + 1 < file.Count; at++)
        {
            bool afterType = file[at - 1] is ">" or "?" or "]" || (char.IsLetter(file[at - 1][0]) && !s_words.Contains(file[at - 1]));
            if (afterType && file[at] != file[at - 1] && file[at + 1] is "{" or "=" or ";" or "(" or "," or ")")
            {
                members.Add(file[at]);
            }
        }

        return members;
    }

    /// <summary>Keywords that a type's name may follow.</summary>
    private static readonly HashSet<string> s_words =
    [
        "new", "is", "as", "return", "in", "out", "ref", "params", "this", "static", "readonly", "public", "private", "internal", "protected", "sealed",
            "abstract", "override",
        "virtual", "async", "const", "event", "using", "namespace", "typeof", "nameof", "where", "class", "struct", "interface", "enum", "record", "delegate",
            "partial", "required",
        "await", "throw", "case", "when", "not", "and", "or", "else", "extern", "unsafe", "volatile", "scoped", "operator", "implicit", "explicit", "yield",
            "global", "with",
    ];
}
