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
if (args.FirstOrDefault() is GpuCheck.Option)
{
    return GpuCheck.Run(args[1..]);
}

try
{
    BenchmarkDevice.Choose(DeviceName.Take(ref args) ?? "cpu");
}
catch (Exception error) when (error is ArgumentException or InvalidOperationException)
{
    Console.Error.WriteLine(error.Message);
    return error is ArgumentException ? 2 : GpuCheck.NoDevice;
}

Action measure = args.FirstOrDefault() switch
{
    GpuCheck.PhaseOption => () => GpuCheck.RunPhase(args[1..]),
    "--compare" => () => Compare.Run(Count(1, 5), args.ElementAtOrDefault(2) ?? ""),
    "--families" => () => FamilySpeed.Run(args.ElementAtOrDefault(1)),
    "--memory" => MemoryByLength.Run,
    "--rewards" => RewardCost.Run,
    "--reward-of" => () => RewardCost.RunAlone(Count(1, 0)),
    "--memory-estimates" => () => MemoryEstimates.Run(args.ElementAtOrDefault(1), args.ElementAtOrDefault(2)),
    "--runtime-memory" => MemoryEstimates.RunRuntime,
    "--official-memory" => MemoryEstimates.RunOfficial,
    "--memory-of" when FamilyModels.Names.Contains(args[1]) => () => MemoryEstimates.RunAlone(args[1], args[2]),
    "--memory-of" => () => MemoryByLength.RunAlone(args[1], Count(2, 20)),
    "--memory-tricks" => () => MemoryTricks.Run(args.ElementAtOrDefault(1), Count(2, 1), Count(3, 1), args.ElementAtOrDefault(4)),
    "--trick-of" => () => MemoryTricks.RunAlone(args[1], Count(2, 0), Count(3, 1), Count(4, 1)),
    "--loading" => () => Loading.Run(args[1..]),
    "--loading-of" => () => Loading.RunAlone(args[1], Enum.Parse<WeightPrecision>(args[2]), args[3]),
    "--soak" => () => Environment.ExitCode = Soak.Run(Count(1, 1000)),
    "--soak-of" => () => Environment.ExitCode = Soak.RunAlone(args[1], Count(2, 1000), args[3]),
    _ => () => RunBenchmarks(args),
};
measure();
return Environment.ExitCode;

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
