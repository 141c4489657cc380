using System.Diagnostics;
using System.Reflection;
using System.Text.Json;
using System.Xml.Linq;
using NUnit.Framework.Api;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>An order to a worker, a line of JSON on its standard input.</summary>
/// <param name="Fault">The fault that is on; -1: none.</param>
/// <param name="Tests">Full names of the tests to run; the first that fails ends the order.</param>
/// <param name="Faults">How many faults there are, where it is to be noted which are reached; 0: it is not.</param>
internal sealed record WorkerOrder(int Fault, IReadOnlyList<string> Tests, int Faults);

/// <summary>What a worker says, a marked line of JSON on its standard output.</summary>
/// <param name="Kind">"begun", "passed", "failed", "skipped", or "done" where the order has been carried out.</param>
/// <param name="Test">Its full name.</param>
/// <param name="Seconds">Of processor time.</param>
/// <param name="Reached">Faults whose code was reached.</param>
/// <param name="Message">Of a failure.</param>
internal sealed record WorkerEvent(string Kind, string Test = "", double Seconds = 0, IReadOnlyList<int>? Reached = null, string Message = "")
{
    /// <summary>Tells the lines of workers from what tests and libraries print.</summary>
    public const string Mark = "@mutation ";
}

/// <summary>The process that runs tests: one for many faults, as long as nothing goes wrong in it.</summary>
internal sealed class WorkerLoop : ITestListener
{
    private readonly Assembly _tests = Assembly.Load("Microsoft.ML.VideoAlignment.Tests");
    private readonly FieldInfo _active, _reached;
    private readonly TextWriter _output = Console.Out;
    private readonly Dictionary<string, HashSet<int>> _reachedByFixture = new(StringComparer.Ordinal);

    private NUnitTestAssemblyRunner? _runner;
    private bool[] _marks = [];
    private TimeSpan _begun;

    private WorkerLoop()
    {
        Type type = Assembly.Load("Microsoft.ML.VideoAlignment").GetType("Microsoft.ML.VideoAlignment.FaultSwitch", throwOnError: true)!;
        (_active, _reached) = (type.GetField("Active")!, type.GetField("Reached")!);
    }

    /// <summary>Lists the tests, or runs them by orders from standard input until it ends.</summary>
    /// <param name="list">Whether to list: the full names of tests of these classes, a "skipped" event each.</param>
    public static void Run(IReadOnlyList<string>? list)
    {
        var loop = new WorkerLoop();
        if (list is not null)
        {
            loop.List(list);
            return;
        }

        loop.Say(new WorkerEvent("done"));
        while (Console.In.ReadLine() is { } line)
        {
            loop.Obey(JsonSerializer.Deserialize<WorkerOrder>(line)!);
            loop.Say(new WorkerEvent("done"));
        }
    }

    public void TestStarted(ITest test)
    {
        if (!test.IsSuite)
        {
            // What was reached since the last test is its fixture's set-up, which serves all of them.
            Fixture(test.ClassName).UnionWith(Marked());
            Say(new WorkerEvent("begun", test.FullName));
            _begun = Used();
        }
    }

    public void TestFinished(ITestResult result)
    {
        bool failed = result.ResultState.Status == TestStatus.Failed;
        if (result.Test.IsSuite)
        {
            if (failed && result.ResultState.Site is FailureSite.SetUp or FailureSite.TearDown)
            {
                Say(new WorkerEvent("failed", result.Test.FullName, Message: OneLine(result.Message)));
                _runner!.StopRun();
            }

            return;
        }

        int[] reached = [.. Marked().Union(Fixture(result.Test.ClassName))];
        string kind = failed ? "failed" : result.ResultState.Status == TestStatus.Skipped ? "skipped" : "passed";
        Say(new WorkerEvent(kind, result.Test.FullName, (Used() - _begun).TotalSeconds, _marks.Length > 0 ? reached : null, failed ? OneLine(result.Message)
            : ""));
        if (failed && _marks.Length == 0)
        {
            _runner!.StopRun();
        }
    }

    public void TestOutput(TestOutput output)
    {
    }

    public void SendMessage(TestMessage message)
    {
    }

    private void Obey(WorkerOrder order)
    {
        _marks = new bool[order.Faults];
        _reached.SetValue(null, _marks);
        _reachedByFixture.Clear();

        // Cases are listed without a fault: their names are what they are asked for by.
        _active.SetValue(null, -1);
        _runner = Loaded([.. order.Tests.Select(ClassOf).Distinct()]);
        _active.SetValue(null, order.Fault);
        try
        {
            _runner.Run(this,
                TestFilter.FromXml(new XElement("filter", new XElement("or", order.Tests.Select(test => new XElement("test", test)))).ToString()));
        }
        finally
        {
            _active.SetValue(null, -1);
        }
    }

    private NUnitTestAssemblyRunner Loaded(string[] classes)
    {
        var runner = new NUnitTestAssemblyRunner(new DefaultTestAssemblyBuilder());
        runner.Load(_tests, new Dictionary<string, object> { ["NumberOfTestWorkers"] = 0, ["LOAD"] = classes });
        return runner;
    }

    private void List(IReadOnlyList<string> classes)
    {
        string[] loaded = [.. _tests.GetTypes().Where(type => classes.Contains(type.Name)).Select(type => type.FullName!)];
        foreach (ITest test in Cases(Loaded(loaded).LoadedTest!))
        {
            if (test.RunState is RunState.Runnable)
            {
                Say(new WorkerEvent("skipped", test.FullName));
            }
        }

        static IEnumerable<ITest> Cases(ITest test) => test.IsSuite ? test.Tests.SelectMany(Cases) : [test];
    }

    private HashSet<int> Fixture(string? name)
    {
        if (!_reachedByFixture.TryGetValue(name ?? "", out HashSet<int>? reached))
        {
            _reachedByFixture[name ?? ""] = reached = [];
        }

        return reached;
    }

    private int[] Marked()
    {
        int[] marked = [.. _marks.Index().Where(mark => mark.Item).Select(mark => mark.Index)];
        Array.Clear(_marks);
        return marked;
    }

    private void Say(WorkerEvent what) => _output.WriteLine(WorkerEvent.Mark + JsonSerializer.Serialize(what));

    private static string ClassOf(string test)
    {
        string name = test.Split('(')[0];
        return name[..name.LastIndexOf('.')];
    }

    private static TimeSpan Used()
    {
        using var process = Process.GetCurrentProcess();
        return process.TotalProcessorTime;
    }

    private static string OneLine(string? message) => string.Join(' ', (message ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Take(30));
}
