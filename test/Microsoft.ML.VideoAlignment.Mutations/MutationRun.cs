using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>Puts one fault after the other into the running library until a test of it fails.</summary>
/// <param name="worker">Runs tests.</param>
/// <param name="coverage">Knows which test reaches which fault.</param>
/// <param name="budget">Processor seconds of tests that a fault gets; 0: all that reach it.</param>
internal sealed class MutationRun(Worker worker, Coverage coverage, double budget)
{
    /// <summary>Processor seconds of tests in the first order; each further order takes three times more.</summary>
    private const double FirstOrder = 2;

    /// <summary>What becomes of a fault.</summary>
    /// <param name="number">Of the fault.</param>
    /// <param name="site">The fault.</param>
    /// <param name="relatives">Faults of the same file, whose tests see what runs once a process.</param>
    public Verdict Try(int number, FaultSite site, IReadOnlySet<int> relatives)
    {
        if (site.Fault.IsStatic)
        {
            // What runs once a process must not have run yet.
            worker.End();
        }

        IReadOnlyList<string> tests = site.Fault.IsStatic ? coverage.TestsOf(relatives) : coverage.TestsOf(number, site.Fault);
        if (tests.Count == 0)
        {
            return new Verdict("not reached", "no test");
        }

        List<string[]> orders = Orders(tests, site.Fault);
        Verdict? verdict = Run(number, orders, trusted: site.Fault.IsStatic);
        if (verdict is null && !site.Fault.IsStatic)
        {
            // What a type keeps for the whole process may have been made without the fault.
            worker.End();
            verdict = Run(number, orders[..1], trusted: true);
        }

        if (site.Fault.IsStatic)
        {
            worker.End();
        }

        return verdict ?? new Verdict("survived", $"{orders.Sum(order => order.Length)} of {tests.Count} tests");
    }

    private Verdict? Run(int number, List<string[]> orders, bool trusted)
    {
        foreach (string[] order in orders)
        {
            WorkerEvent last = worker.Run(new WorkerOrder(number, order, 0), coverage.SecondsOf);
            if (last.Kind is "hang" or "memory" or "crash")
            {
                return new Verdict(last.Kind, Short(last.Test));
            }

            if (last.Kind != "failed")
            {
                continue;
            }

            // An earlier fault may have left something behind: the test must pass again without the fault.
            string[] again = order.Contains(last.Test) ? [last.Test] : order;
            if (trusted || worker.Run(new WorkerOrder(-1, again, 0), coverage.SecondsOf).Kind == "done")
            {
                return new Verdict("seen", Short(last.Test));
            }

            worker.End();
            WorkerEvent fresh = worker.Run(new WorkerOrder(number, order, 0), coverage.SecondsOf);
            worker.End();
            if (fresh.Kind != "done")
            {
                return new Verdict(fresh.Kind == "failed" ? "seen" : fresh.Kind, Short(fresh.Test));
            }
        }

        return null;
    }

    /// <summary>In orders that grow, up to the budget.</summary>
    private List<string[]> Orders(IReadOnlyList<string> tests, Fault fault)
    {
        var orders = new List<string[]>();
        var order = new List<string>();
        double limit = FirstOrder, sum = 0, all = 0;
        foreach (string test in tests)
        {
            double seconds = coverage.SecondsOf(test);
            if (budget > 0 && all + seconds > budget && all > 0 && !Coverage.IsOwn(test, fault))
            {
                break;
            }

            order.Add(test);
            (sum, all) = (sum + seconds, all + seconds);
            if (sum > limit)
            {
                orders.Add([.. order]);
                order.Clear();
                (limit, sum) = (limit * 3, 0);
            }
        }

        if (order.Count > 0)
        {
            orders.Add([.. order]);
        }

        return orders;
    }

    private static string Short(string test)
    {
        const string Space = "Microsoft.ML.VideoAlignment.Tests.";
        string name = test.StartsWith(Space, StringComparison.Ordinal) ? test[Space.Length..] : test;
        Debug.Assert(!name.Contains('\t'), "a tab would end the cell");
        return name.ReplaceLineEndings(" ").Replace('\t', ' ');
    }
}
