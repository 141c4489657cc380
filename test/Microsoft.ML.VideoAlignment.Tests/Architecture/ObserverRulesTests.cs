using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// What measures a run listens to it: networks, rewards and losses know neither meters nor the device without memory. Read from the sources.
/// </summary>
public partial class ObserverRulesTests
{
    private const string Library = "src/Microsoft.ML.VideoAlignment/";

    [GeneratedRegex(@"\b(MemoryProfiler|FlopCounter|RunContext|OpRecord|MetaOps|IsMeta)\b")]
    private static partial Regex Measuring();

    [GeneratedRegex(@"\b(MetaOps|IsMeta|META)\b")]
    private static partial Regex Meta();

    [GeneratedRegex(@"\benum\s+\w*(Stage|Phase)\b")]
    private static partial Regex Stages();

    [GeneratedRegex(@"\b_?[mM]odel\s*\.\s*Predict(Each)?\b")]
    private static partial Regex Evaluation();

    [GeneratedRegex(@"\bRunContext\s*\.\s*DenoiserEvaluated\b")]
    private static partial Regex Count();

    [TestCase("Layers")]
    [TestCase("Models")]
    [TestCase("Encoders")]
    [TestCase("Rewards")]
    public void NetworksAndRewardsAreNotMeasuredFromWithin(string room) =>
        Assert.That(Matching(room, Measuring()), Is.Empty, "let Ops do it: they tell the run's observers, and know what to do without numbers");

    [Test]
    public void ALossIsOneFormula()
    {
        string[] losses = [.. Repository.Files(Library + "Algorithms", "*Loss.cs")];
        Assert.That(losses, Has.Length.AtLeast(3));
        Assert.That(
            losses.Where(path => Meta().IsMatch(CSharpTokens.Code(Repository.Read(path)))), Is.Empty, "let Ops decide how an operation runs without numbers");
    }

    [Test]
    public void ThereIsOneListOfStages() => Assert.That(Matching("", Stages()), Is.EqualTo(new[] { "Tensors/RunStage.cs" }));

    [Test]
    public void TheDenoiserIsEvaluatedWhereItIsCounted()
    {
        Assert.That(Matching("", Count()), Is.EqualTo(new[] { "Sampling/Guidance.cs" }));
        Assert.That(
            Matching("", Evaluation()), Is.EqualTo(new[] { "Sampling/Guidance.cs" }),
            "evaluate through Guidance, or the evaluations of progress and records are too few");
    }

    [TestCase("MemoryProfiler.Enter(stage);", true)]
    [TestCase("Tensor y = MetaOps.IsMeta(x) ? a : b;", true)]
    [TestCase("// MemoryProfiler.Sample()", false)]
    [TestCase("Tensor y = Ops.Add(a, b);", false)]
    public void MeasuringIsReadFromCode(string line, bool found) => Assert.That(Measuring().IsMatch(CSharpTokens.Code(line)), Is.EqualTo(found));

    [TestCase("_model.Predict(x, t, c)", true)]
    [TestCase("Model.PredictEach(x, t, c)", true)]
    [TestCase("guidance.Predict(x, t)", false)]
    public void AnEvaluationIsReadFromCode(string line, bool found) => Assert.That(Evaluation().IsMatch(CSharpTokens.Code(line)), Is.EqualTo(found));

    private static string[] Matching(string folder, Regex pattern) =>
    [
        .. Repository.Files(Library + folder, "*.cs")
            .Where(path => pattern.IsMatch(CSharpTokens.Code(Repository.Read(path))))
            .Select(path => path[Library.Length..]),
    ];
}
