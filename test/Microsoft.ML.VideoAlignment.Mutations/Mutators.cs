using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>What can be wrong with a piece of code: for a node the kinds of fault and the code in its stead.</summary>
/// <param name="model">Knows the types.</param>
internal sealed class Mutators(SemanticModel model)
{
    /// <summary>Calls that are easily taken for each other.</summary>
    private static readonly Dictionary<string, string> s_otherCalls = Pairs(
        ("Min", "Max"), ("min", "max"), ("minimum", "maximum"), ("clamp_min", "clamp_max"), ("sin", "cos"), ("Sin", "Cos"), ("floor", "ceil"),
            ("Floor", "Ceiling"), ("mean", "sum"),
        ("First", "Last"), ("zeros_like", "ones_like"), ("add", "sub"), ("mul", "div"), ("add_", "sub_"), ("mul_", "div_"), ("log", "exp"));

    /// <summary>Calls x.F() -> x: a forgotten term of a formula.</summary>
    private static readonly string[] s_forgotten =
        ["sqrt", "square", "exp", "log", "abs", "neg", "detach", "sigmoid", "tanh", "relu", "flip", "pow", "Pow", "clamp", "Clamp", "clamp_min", "clamp_max",
            "Reverse", "Distinct", "Order", "roll", "cumsum"];

    /// <summary>What stands in the library for an operator between a tensor and a number (ScalarOps): kind and the call in its stead.</summary>
    private static readonly Dictionary<string, (string Kind, string Call)> s_scalarCalls = new(StringComparer.Ordinal)
    {
        ["Add"] = ("sign", "Sub"),
        ["Sub"] = ("sign", "Add"),
        ["SubtractedFrom"] = ("order", "Sub"),
        ["Mul"] = ("factor", "Div"),
        ["Div"] = ("factor", "Mul"),
        ["LessThan"] = ("off by one", "AtMost"),
        ["AtMost"] = ("off by one", "LessThan"),
        ["GreaterThan"] = ("off by one", "AtLeast"),
        ["AtLeast"] = ("off by one", "GreaterThan"),
        ["EqualTo"] = ("comparison", "NotEqualTo"),
        ["NotEqualTo"] = ("comparison", "EqualTo"),
    };

    private static readonly Dictionary<SyntaxKind, (string Kind, string Operator)[]> s_operators = new()
    {
        [SyntaxKind.AddExpression] = [("sign", "-")],
        [SyntaxKind.SubtractExpression] = [("sign", "+")],
        [SyntaxKind.MultiplyExpression] = [("factor", "/")],
        [SyntaxKind.DivideExpression] = [("factor", "*")],
        [SyntaxKind.LessThanExpression] = [("off by one", "<="), ("comparison", ">=")],
        [SyntaxKind.LessThanOrEqualExpression] = [("off by one", "<"), ("comparison", ">")],
        [SyntaxKind.GreaterThanExpression] = [("off by one", ">="), ("comparison", "<=")],
        [SyntaxKind.GreaterThanOrEqualExpression] = [("off by one", ">"), ("comparison", "<")],
        [SyntaxKind.EqualsExpression] = [("comparison", "!=")],
        [SyntaxKind.NotEqualsExpression] = [("comparison", "==")],
        [SyntaxKind.LogicalAndExpression] = [("condition", "||")],
        [SyntaxKind.LogicalOrExpression] = [("condition", "&&")],
    };

    private static readonly Dictionary<SyntaxKind, string> s_assignments = new()
    {
        [SyntaxKind.AddAssignmentExpression] = "-=",
        [SyntaxKind.SubtractAssignmentExpression] = "+=",
        [SyntaxKind.MultiplyAssignmentExpression] = "/=",
        [SyntaxKind.DivideAssignmentExpression] = "*=",
    };

    /// <summary>The faults of a node: kind and code; empty code: the statement is dropped.</summary>
    /// <param name="node">Any.</param>
    public IEnumerable<(string Kind, string Code)> Of(SyntaxNode node) => node switch
    {
        BinaryExpressionSyntax binary => OfBinary(binary),
        PrefixUnaryExpressionSyntax { RawKind: (int)SyntaxKind.UnaryMinusExpression } minus when minus.Operand is not LiteralExpressionSyntax => [("sign",
            Text(minus.Operand))],
        PrefixUnaryExpressionSyntax { RawKind: (int)SyntaxKind.LogicalNotExpression } not when !Declares(not) => [("condition", Text(not.Operand))],
        ConditionalExpressionSyntax { WhenTrue: not ThrowExpressionSyntax, WhenFalse: not ThrowExpressionSyntax } choice when !Declares(
            choice.Condition) => [("branch", $"{Text(choice.Condition)} ? {Text(choice.WhenFalse)} : {Text(choice.WhenTrue)}")],
        IsPatternExpressionSyntax { Pattern: ConstantPatternSyntax or UnaryPatternSyntax } test when !Declares(test) => [("condition", $"!({Text(test)})")],
        LiteralExpressionSyntax { RawKind: (int)SyntaxKind.NumericLiteralExpression } number => OfNumber(number),
        LiteralExpressionSyntax { RawKind: (int)SyntaxKind.TrueLiteralExpression } => [("constant", "false")],
        LiteralExpressionSyntax { RawKind: (int)SyntaxKind.FalseLiteralExpression } => [("constant", "true")],
        ArgumentSyntax { Parent: BracketedArgumentListSyntax { Arguments.Count: 1, Parent: ElementAccessExpressionSyntax } } index => OfIndex(index),
        InvocationExpressionSyntax call => OfCall(call),
        ExpressionStatementSyntax statement => OfStatement(statement),
        _ => [],
    };

    private IEnumerable<(string, string)> OfBinary(BinaryExpressionSyntax binary)
    {
        if (!s_operators.TryGetValue(binary.Kind(), out (string Kind, string Operator)[]? others) || Declares(binary) || HasLiteralNull(binary))
        {
            yield break;
        }

        bool sum = binary.Kind() is SyntaxKind.AddExpression or SyntaxKind.SubtractExpression or SyntaxKind.MultiplyExpression or SyntaxKind.DivideExpression;
        if (sum && !IsNumber(model.GetTypeInfo(binary).Type))
        {
            yield break;
        }

        foreach ((string kind, string other) in others)
        {
            yield return (kind, $"{Text(binary.Left)} {other} {Text(binary.Right)}");
        }

        if (!sum)
        {
            yield break;
        }

        ITypeSymbol? type = model.GetTypeInfo(binary).Type;
        if (SymbolEqualityComparer.Default.Equals(model.GetTypeInfo(binary.Left).Type, type))
        {
            yield return ("missing term", Text(binary.Left));
            if (binary.Kind() is SyntaxKind.SubtractExpression or SyntaxKind.DivideExpression
                && SymbolEqualityComparer.Default.Equals(model.GetTypeInfo(binary.Right).Type, type))
            {
                yield return ("order", $"{Text(binary.Right)} {binary.OperatorToken.Text} ({Text(binary.Left)})");
            }
        }
        else if (SymbolEqualityComparer.Default.Equals(model.GetTypeInfo(binary.Right).Type, type)
            && binary.Kind() is SyntaxKind.AddExpression or SyntaxKind.MultiplyExpression)
        {
            yield return ("missing term", Text(binary.Right));
        }
    }

    private static IEnumerable<(string, string)> OfNumber(LiteralExpressionSyntax literal)
    {
        string text = literal.Token.Text;
        switch (literal.Token.Value)
        {
            case int value:
                yield return ("constant", value == 0 ? "1" : $"({(value + 1).ToString(CultureInfo.InvariantCulture)})");
                break;
            case double or float when Convert.ToDouble(literal.Token.Value, CultureInfo.InvariantCulture) is var value:
                yield return ("constant", value == 0 ? (literal.Token.Value is float ? "0.5f" : "0.5")
                    : $"({text} * {(Math.Abs(value) < 1e-3 ? "1000" : "2")})");
                break;
        }
    }

    private IEnumerable<(string, string)> OfIndex(ArgumentSyntax index)
    {
        if (model.GetTypeInfo(index.Expression).Type is { SpecialType: SpecialType.System_Int32 or SpecialType.System_Int64 }
            && index.Expression is not LiteralExpressionSyntax && !Declares(index))
        {
            string at = Text(index.Expression);
            yield return ("index", $"({at}) == 0 ? 1 : ({at}) - 1");
        }
    }

    private IEnumerable<(string, string)> OfCall(InvocationExpressionSyntax call)
    {
        if (Declares(call))
        {
            yield break;
        }

        string name = Exclusions.NameOf(call), arguments = call.ArgumentList.ToString();
        if (call.Expression is MemberAccessExpressionSyntax { Expression: { } tensor } && s_scalarCalls.TryGetValue(name, out (string Kind, string Call) scalar)
            && model.GetSymbolInfo(call).Symbol?.ContainingType.Name == "ScalarOps")
        {
            yield return (scalar.Kind, $"{Text(tensor)}.{scalar.Call}{arguments}");
            if (name is "Add" or "Sub" or "Mul" or "Div")
            {
                yield return ("missing term", Text(tensor));
            }
        }

        if (s_otherCalls.TryGetValue(name, out string? other))
        {
            yield return (name.StartsWith("M", StringComparison.OrdinalIgnoreCase) && name.Length == 3 ? "min or max" : "function", call.Expression switch
            {
                MemberAccessExpressionSyntax member => $"{Text(member.Expression)}.{other}{arguments}",
                _ => $"{other}{arguments}",
            });
        }

        if (call.Expression is MemberAccessExpressionSyntax { Expression: { } subject } && s_forgotten.Contains(name)
            && model.GetTypeInfo(subject).Type is { } type && SymbolEqualityComparer.Default.Equals(type, model.GetTypeInfo(call).Type))
        {
            yield return ("missing term", Text(subject));
        }

        if (call.ArgumentList.Arguments.ToArray() is [{ NameColon: null } first, { NameColon: null } second, .. var rest] && first.RefKindKeyword.Text.Length
            + second.RefKindKeyword.Text.Length == 0
            && model.GetTypeInfo(first.Expression).Type is { } one && IsNumber(one)
            && SymbolEqualityComparer.Default.Equals(one, model.GetTypeInfo(second.Expression).Type)
            && !first.IsEquivalentTo(second) && name is not ("Min" or "Max" or "minimum" or "maximum" or "add" or "mul"))
        {
            yield return ("order", $"{call.Expression}({string.Join(", ", [Text(second), Text(first), .. rest.Select(Text)])})");
        }
    }

    private static IEnumerable<(string, string)> OfStatement(ExpressionStatementSyntax statement)
    {
        if (Exclusions.IsIdle(statement) || Declares(statement))
        {
            yield break;
        }

        yield return ("dropped", "");
        if (statement.Expression is AssignmentExpressionSyntax assignment && s_assignments.TryGetValue(assignment.Kind(), out string? other))
        {
            yield return (other is "-=" or "+=" ? "sign" : "factor", $"{Text(assignment.Left)} {other} {Text(assignment.Right)};");
        }
    }

    private static bool IsNumber(ITypeSymbol? type) => type is
    {
        SpecialType: SpecialType.System_Int32 or SpecialType.System_Int64 or SpecialType.System_Double or SpecialType.System_Single
            or SpecialType.System_UInt64 or SpecialType.System_UInt32,
    }
        or { Name: "Tensor" };

    /// <summary>Names that are made in an expression cannot be made twice.</summary>
    private static bool Declares(SyntaxNode node) =>
        node.DescendantNodesAndSelf()
            .Any(inner => inner is SingleVariableDesignationSyntax or DeclarationExpressionSyntax or AwaitExpressionSyntax or QueryExpressionSyntax);

    private static bool HasLiteralNull(BinaryExpressionSyntax binary) =>
        binary.Left.IsKind(SyntaxKind.NullLiteralExpression) || binary.Right.IsKind(SyntaxKind.NullLiteralExpression);

    private static string Text(SyntaxNode node) => node.WithoutTrivia().ToFullString();

    private static Dictionary<string, string> Pairs(params (string One, string Other)[] pairs) =>
        pairs.SelectMany(pair => new[] { pair, (pair.Other, pair.One) }).ToDictionary(pair => pair.Item1, pair => pair.Item2, StringComparer.Ordinal);
}
