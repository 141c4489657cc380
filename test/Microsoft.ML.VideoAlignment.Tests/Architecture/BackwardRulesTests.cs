using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What keeps failures of the backward pass from being lost, read from the sources: libtorch may run a node on any thread.</summary>
public partial class BackwardRulesTests
{
    [GeneratedRegex(@"\b(ThreadStatic(Attribute)?|ThreadLocal|AllocateDataSlot|AllocateNamedDataSlot)\b")]
    private static partial Regex StateOfAThread();

    [GeneratedRegex(@"\b(SingleTensorFunction|MultiTensorFunction)\s*<")]
    private static partial Regex Function();

    [GeneratedRegex(@"\.\s*backward\b|\bautograd\s*\.\s*grad\b")]
    private static partial Regex Pass();

    [Test]
    public void NoStateBelongsToAThread() =>
        Assert.That(Matching(StateOfAThread()), Is.Empty, "use RunContext, which follows the flow of execution into the backward pass");

    [Test]
    public void OneCustomFunctionGuardsEveryOperation() => Assert.That(
        Matching(Function()), Is.EqualTo(new[] { "Tensors/CustomFunction.cs" }),
        "derive from DifferentiableOperation: what another function throws ends the process");

    [Test]
    public void BackwardPassesAreAskedForInOnePlace() => Assert.That(
        Matching(Pass()), Is.EqualTo(new[] { "Tensors/Recompute.cs" }), "call Recompute.Backward, or a node's exception arrives as words about a shape");

    [TestCase("[ThreadStatic] private static int t_x;", true)]
    [TestCase("private static readonly ThreadLocal<int> s_x = new();", true)]
    [TestCase("// [ThreadStatic]", false)]
    [TestCase("private static readonly AsyncLocal<int> s_x = new();", false)]
    public void StateOfAThreadIsReadFromCode(string line, bool found) => Assert.That(StateOfAThread().IsMatch(CSharpTokens.Code(line)), Is.EqualTo(found));

    [TestCase("y.backward();", true)]
    [TestCase("Run(y.backward)", true)]
    [TestCase("autograd.grad([y], [x])", true)]
    [TestCase("Recompute.Backward(y)", false)]
    [TestCase("y.grad", false)]
    public void APassIsReadFromCode(string line, bool found) => Assert.That(Pass().IsMatch(CSharpTokens.Code(line)), Is.EqualTo(found));

    private static IEnumerable<string> Matching(Regex pattern)
    {
        const string Library = "src/Microsoft.ML.VideoAlignment/";
        return
        [
            .. new[] { "src", "build" }.SelectMany(folder => Repository.Files(folder, "*.cs"))
                .Where(path => pattern.IsMatch(CSharpTokens.Code(Repository.Read(path))))
                .Select(path => path.Replace(Library, "", StringComparison.Ordinal)),
        ];
    }
}
