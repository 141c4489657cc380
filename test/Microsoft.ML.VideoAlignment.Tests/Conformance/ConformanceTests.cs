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
        ConformanceCase.All().Where(testCase => !NotCovered.Contains(testCase)).Select(testCase => new TestCaseData(testCase).SetName($"Conformance({testCase})"));

    [TestCaseSource(nameof(Cases))]
    public void Case(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        IConformanceRunner? runner = s_runners.SingleOrDefault(runner => runner.Suite == testCase.Suite && runner.Kinds.Contains(testCase.Kind));
        Assert.That(runner, Is.Not.Null, $"{testCase}: no runner knows the kind '{testCase.Kind}'");
        using DisposeScope scope = NewDisposeScope();
        runner!.Run(testCase);
    }
}
