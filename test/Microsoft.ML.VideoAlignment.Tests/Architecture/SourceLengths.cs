using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// How long a source file and its functions are. What must be longer than a limit says why in a comment line: at the top of a file
/// <c>// Longer than 400 lines: REASON</c>, above a function <c>// Longer than 60 lines: REASON</c>.
/// </summary>
internal static partial class SourceLengths
{
    public const int MaxFileLines = 400;

    public const int MaxFunctionLines = 60;

    // A word or two are not a reason.
    private const int ReasonWords = 4;

    [GeneratedRegex(@"^// Longer than (?<limit>\d+) lines: (?<reason>.+)$")]
    private static partial Regex Reason();

    /// <summary>One line for each file or function that is longer than its limit without a reason, and for each reason that stands above neither.</summary>
    /// <param name="path">The file's name in the answers.</param>
    /// <param name="source">The text of the file.</param>
    public static IEnumerable<string> Violations(string path, string source)
    {
        SyntaxNode root = CSharpSyntaxTree.ParseText(source, new CSharpParseOptions(LanguageVersion.Preview)).GetRoot();
        HashSet<int> needed = [];
        List<string> violations = [];
        int lines = source.TrimEnd('\n').Count(c => c == '\n') + 1;
        if (lines > MaxFileLines && !Excused(root.GetFirstToken(includeZeroWidth: true), MaxFileLines, needed))
        {
            violations.Add($"{path}: {lines} lines");
        }

        foreach (SyntaxNode node in root.DescendantNodesAndSelf())
        {
            if (Span(node) is { } span && Lines(root, span) is int length and > MaxFunctionLines && !Excused(node.GetFirstToken(), MaxFunctionLines, needed))
            {
                violations.Add($"{path}:{Line(root, span.Start) + 1}: {Name(node)} has {length} lines");
            }
        }

        return [.. violations, .. Reasons(root.DescendantTrivia()).Where(reason => !needed.Contains(reason.SpanStart))
            .Select(reason => $"{path}:{Line(root, reason.SpanStart) + 1}: a reason where nothing is too long")];
    }

    private static IEnumerable<SyntaxTrivia> Reasons(IEnumerable<SyntaxTrivia> trivia) =>
        trivia.Where(comment => comment.IsKind(SyntaxKind.SingleLineCommentTrivia) && Reason().IsMatch(comment.ToString()));

    private static bool Excused(SyntaxToken first, int limit, HashSet<int> needed)
    {
        int before = needed.Count;
        needed.UnionWith(Reasons(first.LeadingTrivia).Where(comment => Reason().Match(comment.ToString()) is var match
            && match.Groups["limit"].Value == $"{limit}"
            && match.Groups["reason"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length >= ReasonWords).Select(comment => comment.SpanStart));
        return needed.Count > before;
    }

    /// <summary>
    /// Where a function's lines are, null for what is not one: without attributes, from its first word to its closing brace. A lambda is part of the function
    /// around it, if there is one; the statements at the top of a program are one function.
    /// </summary>
    private static TextSpan? Span(SyntaxNode node) => node switch
    {
        BaseMethodDeclarationSyntax or PropertyDeclarationSyntax { ExpressionBody: not null } or IndexerDeclarationSyntax { ExpressionBody: not null } =>
            WithoutAttributes(node, ((MemberDeclarationSyntax)node).AttributeLists),
        LocalFunctionStatementSyntax local => WithoutAttributes(local, local.AttributeLists),
        AccessorDeclarationSyntax accessor => WithoutAttributes(accessor, accessor.AttributeLists),
        CompilationUnitSyntax program => Program(program),
        LambdaExpressionSyntax lambda when !lambda.Ancestors().Any(around => Span(around) is not null) => lambda.Span,
        _ => null,
    };

    private static TextSpan? Program(CompilationUnitSyntax file)
    {
        GlobalStatementSyntax[] statements =
            [.. file.Members.OfType<GlobalStatementSyntax>().Where(statement => statement.Statement is not LocalFunctionStatementSyntax)];
        return statements.Length == 0 ? null : TextSpan.FromBounds(statements[0].SpanStart, statements[^1].Span.End);
    }

    private static TextSpan WithoutAttributes(SyntaxNode node, SyntaxList<AttributeListSyntax> attributes) =>
        TextSpan.FromBounds(attributes.Count == 0 ? node.SpanStart : attributes.Last().GetLastToken().GetNextToken().SpanStart, node.Span.End);

    private static string Name(SyntaxNode node) => node switch
    {
        MethodDeclarationSyntax method => method.Identifier.ValueText,
        LocalFunctionStatementSyntax local => local.Identifier.ValueText,
        PropertyDeclarationSyntax property => property.Identifier.ValueText,
        AccessorDeclarationSyntax { Parent.Parent: PropertyDeclarationSyntax property } accessor =>
            $"{property.Identifier.ValueText}.{accessor.Keyword.ValueText}",
        ConstructorDeclarationSyntax constructor => $"{constructor.Identifier.ValueText}()",
        CompilationUnitSyntax => "the program",
        _ => node.Kind().ToString(),
    };

    private static int Lines(SyntaxNode root, TextSpan span) => Line(root, span.End) - Line(root, span.Start) + 1;

    private static int Line(SyntaxNode root, int position) => root.SyntaxTree.GetText().Lines.GetLinePosition(position).Line;
}
