using System.Globalization;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Microsoft.ML.VideoAlignment;
using Microsoft.ML.VideoAlignment.Benchmarks;

int Count(int position, int otherwise) => args.Length > position ? int.Parse(args[position], CultureInfo.InvariantCulture) : otherwise;
switch (args.FirstOrDefault())
{
    case "--compare":
        Compare.Run(Count(1, 5), args.ElementAtOrDefault(2) ?? "");
        return;
    case "--families":
        FamilySpeed.Run(args.ElementAtOrDefault(1));
        return;
    case "--memory":
        MemoryByLength.Run();
        return;
    case "--rewards":
        RewardCost.Run();
        return;
    case "--reward-of":
        RewardCost.RunAlone(Count(1, 0));
        return;
    case "--memory-estimates":
        MemoryEstimates.Run(args.ElementAtOrDefault(1), args.ElementAtOrDefault(2));
        return;
    case "--runtime-memory":
        MemoryEstimates.RunRuntime();
        return;
    case "--official-memory":
        MemoryEstimates.RunOfficial();
        return;
    case "--memory-of" when FamilyModels.Names.Contains(args[1]):
        MemoryEstimates.RunAlone(args[1], args[2]);
        return;
    case "--memory-tricks":
        MemoryTricks.Run(args.ElementAtOrDefault(1), Count(2, 1), Count(3, 1), args.ElementAtOrDefault(4));
        return;
    case "--trick-of":
        MemoryTricks.RunAlone(args[1], Count(2, 0), Count(3, 1), Count(4, 1));
        return;
    case "--loading":
        Loading.Run(args[1..]);
        return;
    case "--loading-of":
        Loading.RunAlone(args[1], Enum.Parse<WeightPrecision>(args[2]), args[3]);
        return;
    case "--memory-of":
        MemoryByLength.RunAlone(args[1], Count(2, 20));
        return;
    case "--soak":
        Environment.ExitCode = Soak.Run(Count(1, 1000));
        return;
    case "--soak-of":
        Environment.ExitCode = Soak.RunAlone(args[1], Count(2, 1000), args[3]);
        return;
}

RunBenchmarks(args);

static void RunBenchmarks(string[] args)
{
    Console.WriteLine(Peer.Folder is null ? $"No comparison: {Peer.Absence}." : $"Reference graphs: {Peer.Folder}");

    // In this process: libtorch is patched in this program's own output folder, and a generated program would have another.
    Job job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithStrategy(RunStrategy.Monitoring)
        .WithWarmupCount(1).WithIterationCount(5).WithInvocationCount(1).WithUnrollFactor(1);
    IConfig config = DefaultConfig.Instance.AddJob(job)
        .AddColumn(new SpeedColumn(share: false), new SpeedColumn(share: true), new MemoryColumn())
        .AddFilter(new SimpleFilter(benchmark =>
            !benchmark.Descriptor.WorkloadMethod.Name.StartsWith("Reference", StringComparison.Ordinal)
            || (Peer.Folder is not null && benchmark.Parameters[nameof(BenchmarkBase.Size)] is "middle")));
    BenchmarkSwitcher.FromAssembly(typeof(BenchmarkBase).Assembly).Run(args, config);
}
