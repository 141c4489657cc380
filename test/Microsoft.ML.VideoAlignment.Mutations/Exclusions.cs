using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>Code in which a fault changes no number: texts, refusals, memory and lifetime, what only the compiler reads.</summary>
internal static class Exclusions
{
    /// <summary>Members whose result is not a number.</summary>
    private static readonly string[] s_members = ["Dispose", "ToString", "GetHashCode", "Equals", "Describe", "Stored", "MoveTo", "Release", "BytesFor",
        "CountWork"];

    /// <summary>Beginnings of names of members that refuse.</summary>
    private static readonly string[] s_refusals = ["Validate", "Require", "Faults", "Check"];

    /// <summary>Calls that are dropped without a number changing.</summary>
    private static readonly string[] s_calls =
    [
        "Dispose", "MoveToOuterDisposeScope", "DetachFromDisposeScope", "Collect", "ThrowIfNull", "ThrowIfCancellationRequested", "ThrowIfNegative",
            "ThrowIfNullOrEmpty", "Look", "Enter",
        "Denoised", "Scored", "Measured", "CountWork", "KeepAlive", "SuppressFinalize", "Invoke", "EnsureCapacity",
    ];

    /// <summary>Whether a fault at this node is not wanted.</summary>
    /// <param name="node">An expression or a statement.</param>
    public static bool Covers(SyntaxNode node) => node.AncestorsAndSelf().Any(IsOutside) || IsRefusal(node);

    /// <summary>Whether a statement is a call that changes no number.</summary>
    /// <param name="statement">A call or an assignment.</param>
    public static bool IsIdle(ExpressionStatementSyntax statement) => statement.Expression switch
    {
        ConditionalAccessExpressionSyntax => true,
        AssignmentExpressionSyntax { Left: IdentifierNameSyntax { Identifier.Text: "_" } } => true,
        InvocationExpressionSyntax call => IsIdle(call) || call.DescendantNodes().OfType<InvocationExpressionSyntax>().Any(inner => NameOf(inner) is "Dispose"),
        _ => false,
    };

    /// <summary>A guard of the type's own, which only a number can tell to refuse, is not idle.</summary>
    private static bool IsIdle(InvocationExpressionSyntax call) =>
        s_calls.Contains(NameOf(call)) || NameOf(call).StartsWith("ThrowIf", StringComparison.Ordinal)
        || (call.Expression is MemberAccessExpressionSyntax && s_refusals.Any(start => NameOf(call).StartsWith(start, StringComparison.Ordinal)));

    /// <summary>The name of what is called, without what it is called on.</summary>
    /// <param name="call">A call.</param>
    public static string NameOf(InvocationExpressionSyntax call) => call.Expression switch
    {
        MemberAccessExpressionSyntax member => member.Name.Identifier.Text,
        SimpleNameSyntax name => name.Identifier.Text,
        _ => "",
    };

    private static bool IsOutside(SyntaxNode node) => node switch
    {
        ThrowStatementSyntax or ThrowExpressionSyntax or InterpolatedStringExpressionSyntax or AttributeSyntax => true,
        ParameterSyntax or EnumMemberDeclarationSyntax or PatternSyntax or CaseSwitchLabelSyntax => true,
        UsingStatementSyntax { Expression: not null } => false,
        FieldDeclarationSyntax field => field.Modifiers.Any(SyntaxKind.ConstKeyword),
        LocalDeclarationStatementSyntax local => local.Modifiers.Any(SyntaxKind.ConstKeyword),
        MethodDeclarationSyntax method => IsUnwanted(method.Identifier.Text) || IsText(method.ReturnType),
        LocalFunctionStatementSyntax function => IsUnwanted(function.Identifier.Text) || IsText(function.ReturnType),
        PropertyDeclarationSyntax property => IsText(property.Type) || property.Identifier.Text.Contains("Hash", StringComparison.Ordinal),
        InvocationExpressionSyntax call => NameOf(call) is "nameof" or "Scored" || call.Expression.ToString()
            .StartsWith("RunContext.", StringComparison.Ordinal),
        _ => false,
    };

    private static bool IsUnwanted(string name) => s_members.Contains(name) || s_refusals.Any(start => name.StartsWith(start, StringComparison.Ordinal));

    private static bool IsText(TypeSyntax type) =>
        type.ToString() is "string" or "string?" or "IEnumerable<string>" or "IReadOnlyList<string>" or "JsonNode" or "JsonObject";

    /// <summary>A condition under which something is thrown.</summary>
    private static bool IsRefusal(SyntaxNode node)
    {
        foreach (SyntaxNode ancestor in node.AncestorsAndSelf())
        {
            switch (ancestor.Parent)
            {
                case IfStatementSyntax choice when choice.Condition == ancestor && Throws(choice.Statement):
                    return true;
                case ConditionalExpressionSyntax choice when choice.Condition == ancestor
                    && (choice.WhenTrue is ThrowExpressionSyntax || choice.WhenFalse is ThrowExpressionSyntax):
                    return true;
            }

            if (ancestor is StatementSyntax)
            {
                return Throws((StatementSyntax)ancestor);
            }
        }

        return false;
    }

    private static bool Throws(StatementSyntax statement) => statement switch
    {
        ThrowStatementSyntax => true,
        BlockSyntax block => block.Statements.Count > 0 && block.Statements[^1] is ThrowStatementSyntax,
        IfStatementSyntax choice => Throws(choice.Statement) && choice.Else is null,
        _ => false,
    };
}
