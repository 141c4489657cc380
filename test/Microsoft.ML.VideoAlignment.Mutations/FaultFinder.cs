using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>Finds every fault that can be put into a room.</summary>
internal static partial class FaultFinder
{
    private const int LongestText = 160;

    /// <summary>Faults of a file in the order of its text.</summary>
    /// <param name="room">Of the file.</param>
    /// <param name="file">Relative to the library's folder.</param>
    /// <param name="tree">The file.</param>
    /// <param name="model">Knows its types.</param>
    public static IReadOnlyList<FaultSite> Find(Room room, string file, SyntaxTree tree, SemanticModel model)
    {
        var mutators = new Mutators(model);
        var sites = new List<FaultSite>();
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (SyntaxNode node in tree.GetRoot().DescendantNodes())
        {
            foreach ((string kind, string code) in mutators.Of(node))
            {
                if (Exclusions.Covers(node))
                {
                    continue;
                }

                SyntaxNode place = node is ArgumentSyntax argument ? argument.Expression : node;
                var fault = new Fault(room.Name, file, MemberOf(node), kind, OnOneLine(place.ToString()), OnOneLine(code)) { IsStatic = IsStatic(node) };
                int occurrence = seen[fault.Name] = seen.GetValueOrDefault(fault.Name) + 1;
                sites.Add(new FaultSite(fault with { Occurrence = occurrence }, place, code));
            }
        }

        return sites;
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    /// <summary>Short enough for a table; what is cut is told apart by its occurrence.</summary>
    private static string OnOneLine(string code)
    {
        string line = Spaces().Replace(code, " ").Trim();
        return line.Length <= LongestText ? line : string.Concat(line.AsSpan(0, LongestText - 3), "...");
    }

    /// <summary>Type and member around a node.</summary>
    /// <param name="node">Any.</param>
    public static string MemberOf(SyntaxNode node)
    {
        string type = node.Ancestors().OfType<BaseTypeDeclarationSyntax>().FirstOrDefault()?.Identifier.Text ?? "";
        string member = node.Ancestors().OfType<MemberDeclarationSyntax>().FirstOrDefault() switch
        {
            MethodDeclarationSyntax method => method.Identifier.Text,
            PropertyDeclarationSyntax property => property.Identifier.Text,
            ConstructorDeclarationSyntax => "new",
            FieldDeclarationSyntax field => field.Declaration.Variables[0].Identifier.Text,
            IndexerDeclarationSyntax => "this",
            OperatorDeclarationSyntax symbol => $"operator {symbol.OperatorToken.Text}",
            _ => "",
        };
        return member.Length == 0 ? type : $"{type}.{member}";
    }

    private static bool IsStatic(SyntaxNode node) => node.Ancestors().OfType<MemberDeclarationSyntax>().FirstOrDefault() switch
    {
        FieldDeclarationSyntax field => field.Modifiers.Any(SyntaxKind.StaticKeyword),
        PropertyDeclarationSyntax { Initializer: not null } property => property.Modifiers.Any(SyntaxKind.StaticKeyword),
        ConstructorDeclarationSyntax constructor => constructor.Modifiers.Any(SyntaxKind.StaticKeyword),
        _ => false,
    };
}
