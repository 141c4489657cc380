using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Which source file names types of which other one. Read from the syntax: comments, text and names of members do not count.</summary>
internal sealed class SourceGraph
{
    private readonly Dictionary<string, HashSet<string>> _uses = new(StringComparer.Ordinal);

    /// <summary>Parses sources.</summary>
    /// <param name="sources">Text by path.</param>
    public SourceGraph(IReadOnlyDictionary<string, string> sources)
    {
        var options = new CSharpParseOptions(LanguageVersion.Preview);
        Dictionary<string, SyntaxNode> roots =
            sources.ToDictionary(source => source.Key, source => CSharpSyntaxTree.ParseText(source.Value, options).GetRoot(), StringComparer.Ordinal);
        ILookup<string, string> files = roots
            .SelectMany(root => root.Value.DescendantNodes(node => node is not TypeDeclarationSyntax).Select(node => (Name: NameOf(node), File: root.Key)))
            .Where(type => type.Name is not null).ToLookup(type => type.Name!, type => type.File, StringComparer.Ordinal);
        HashSet<string> namespaces = [.. roots.Values.SelectMany(root => root.DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>())
            .SelectMany(space => space.Name.ToString().Split('.'))];
        foreach ((string file, SyntaxNode root) in roots)
        {
            HashSet<string> members = [.. root.DescendantNodes().Select(MemberName).OfType<string>()];
            HashSet<string> nested = [.. root.DescendantNodes().Where(node => node.Parent is TypeDeclarationSyntax).Select(NameOf).OfType<string>()];
            _uses[file] = [.. root.DescendantNodes().OfType<SimpleNameSyntax>()
                .Where(name => name.Identifier.ValueText is var text && files.Contains(text) && !nested.Contains(text) && NamesAType(name, namespaces, members))
                .Select(name => Home(name.Identifier.ValueText, files[name.Identifier.ValueText], file)).Where(home => home != file)];
        }
    }

    /// <summary>The files that each file uses.</summary>
    public IReadOnlyDictionary<string, HashSet<string>> Uses => _uses;

    /// <summary>The groups of more than one node that use each other in a circle.</summary>
    /// <param name="node">The node that a file belongs to, such as its folder; null: the file is left out.</param>
    public IReadOnlyList<string[]> Knots(Func<string, string?> node)
    {
        var edges = _uses.SelectMany(pair => pair.Value.Select(used => (From: node(pair.Key), To: node(used))))
            .Where(edge => edge.From is not null && edge.To is not null && edge.From != edge.To).Distinct()
            .ToLookup(edge => edge.From!, edge => edge.To!, StringComparer.Ordinal);
        Dictionary<string, HashSet<string>> reached =
            edges.Select(group => group.Key).ToDictionary(from => from, from => Reach(edges, from), StringComparer.Ordinal);
        return
        [
            .. reached.Where(pair => pair.Value.Contains(pair.Key))
                .GroupBy(pair => string.Join(' ', pair.Value.Where(other => reached.TryGetValue(other, out HashSet<string>? back) && back.Contains(pair.Key))
                    .Order(StringComparer.Ordinal)), StringComparer.Ordinal)
                .Select(group => group.Key.Split(' ')),
        ];
    }

    private static HashSet<string> Reach(ILookup<string, string> edges, string from)
    {
        var reached = new HashSet<string>(StringComparer.Ordinal);
        var left = new Stack<string>(edges[from]);
        while (left.TryPop(out string? node))
        {
            if (reached.Add(node))
            {
                foreach (string next in edges[node])
                {
                    left.Push(next);
                }
            }
        }

        return reached;
    }

    private static string? NameOf(SyntaxNode node) => node switch
    {
        BaseTypeDeclarationSyntax type => type.Identifier.ValueText,
        DelegateDeclarationSyntax type => type.Identifier.ValueText,
        _ => null,
    };

    private static string? MemberName(SyntaxNode node) => node switch
    {
        PropertyDeclarationSyntax property => property.Identifier.ValueText,
        MethodDeclarationSyntax method => method.Identifier.ValueText,
        LocalFunctionStatementSyntax function => function.Identifier.ValueText,
        VariableDeclaratorSyntax variable => variable.Identifier.ValueText,
        EnumMemberDeclarationSyntax value => value.Identifier.ValueText,
        ParameterSyntax parameter => parameter.Identifier.ValueText,
        SingleVariableDesignationSyntax variable => variable.Identifier.ValueText,
        _ => null,
    };

    private static bool NamesAType(SimpleNameSyntax name, HashSet<string> namespaces, HashSet<string> members)
    {
        switch (name.Parent)
        {
            case NameColonSyntax or NameEqualsSyntax or MemberBindingExpressionSyntax:
            case AssignmentExpressionSyntax { Parent: InitializerExpressionSyntax } assignment when assignment.Left == name:
                return false;
            case MemberAccessExpressionSyntax access when access.Name == name:
                return namespaces.Contains(access.Expression.ToString().Split('.')[^1]) && !members.Contains(access.Expression.ToString());
        }

        return SyntaxFacts.IsInTypeOnlyContext(name) || !members.Contains(name.Identifier.ValueText);
    }

    // A type in several files is at home in the file that has its name.
    private static string Home(string type, IEnumerable<string> files, string user)
    {
        string[] homes = [.. files.Order(StringComparer.Ordinal)];
        return homes.Contains(user) ? user : Array.Find(homes, file => Path.GetFileNameWithoutExtension(file) == type) ?? homes[0];
    }
}
