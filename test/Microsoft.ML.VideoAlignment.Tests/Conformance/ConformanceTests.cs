namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Runs one kind of case. Every size and option is read from the case.</summary>
public interface IConformanceRunner
{
    /// <summary>Such as "S06-unet3d".</summary>
    string Suite { get; }

    /// <summary>The kinds of that suite this runner knows.</summary>
    IReadOnlyCollection<string> Kinds { get; }

    void Run(ConformanceCase testCase);
}

[Category("Conformance")]
public class ConformanceTests
{
    private static readonly IReadOnlyList<IConformanceRunner> s_runners =
    [
        .. typeof(ConformanceTests).Assembly.GetTypes()
            .Where(type => type is { IsClass: true, IsAbstract: false } && type.IsAssignableTo(typeof(IConformanceRunner)))
            .Select(type => (IConformanceRunner)Activator.CreateInstance(type)!),
    ];

    public static IEnumerable<TestCaseData> Cases() =>
        ConformanceCase.All().Where(testCase => !NotCovered.Contains(testCase))
            .Select(testCase => new TestCaseData(testCase).SetName($"Conformance({testCase})"));

    /// <summary>A folder that is gone would otherwise be a test that is not missed.</summary>
    [Test]
    public void NoCaseIsMissing()
    {
        if (ConformanceCase.IsElsewhere)
        {
            Assert.That(ConformanceCase.All(), Is.Not.Empty, $"CONFORMANCE_DIR, {ConformanceCase.Root}, holds no SUITE/CASE/case.json");
            return;
        }

        Assert.That(
            ConformanceCase.All().CountBy(testCase => testCase.Suite).OrderBy(pair => pair.Key, StringComparer.Ordinal),
            Is.EqualTo(ExpectedCases.Counts), "cases of each suite; ExpectedCases says how many there are");
    }

    [TestCaseSource(nameof(Cases))]
    public void Case(ConformanceCase testCase)
    {
        Compare(testCase);
        Hold(testCase, testCase.HasGradient || ExpectedCases.IsForwardOnly(testCase)
            ? null : "no cotangent and no gradient, so the backward pass is not tested; ExpectedCases lists the kinds for which that is right");
    }

    /// <summary>Runs a case and compares all that it gives.</summary>
    /// <param name="testCase">May have a part of what its kind can have.</param>
    internal static void Compare(ConformanceCase testCase)
    {
        IConformanceRunner? runner = s_runners.SingleOrDefault(runner => runner.Suite == testCase.Suite && runner.Kinds.Contains(testCase.Kind));
        Assert.That(runner, Is.Not.Null, $"{testCase}: no runner knows the kind '{testCase.Kind}'");
        using DisposeScope scope = NewDisposeScope();
        runner!.Run(testCase);
        Hold(testCase, testCase.Unread.Count == 0 ? null : $"given by the reference and compared with nothing: {string.Join(", ", testCase.Unread)}");
    }

    /// <summary>Fails where a case has a gap. Of cases from elsewhere it is said, since nobody here knows what they were made with.</summary>
    private static void Hold(ConformanceCase testCase, string? gap)
    {
        if (gap is null)
        {
            return;
        }

        Assert.That(ConformanceCase.IsElsewhere, Is.True, $"{testCase}: {gap}");
        TestContext.Out.WriteLine($"{testCase}: {gap}");
    }
}
