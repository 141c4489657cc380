using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>A column with floating-point operations a second, or their share of what this machine reaches on a large matrix product.</summary>
/// <param name="share">Whether it is the share.</param>
internal sealed class SpeedColumn(bool share) : IColumn
{
    private static readonly Dictionary<(Type Type, string Size, string Method), long> s_operations = [];

    public string Id => share ? "ShareOfMatmul" : "GigaflopsPerSecond";

    public string ColumnName => share ? "of matmul" : "GFLOP/s";

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => share ? 1 : 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => share
        ? $"Share of a 2048 x 2048 float32 product in the same run: {MatmulPeak.GigaflopsPerSecond:0} GFLOP/s"
        : "Counted operations / mean time";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        if (summary[benchmarkCase]?.ResultStatistics is not { } statistics || !benchmarkCase.Descriptor.Type.IsAssignableTo(typeof(BenchmarkBase)))
        {
            return "-";
        }

        var run = new CountedRun(statistics.Mean / 1e9, Operations(benchmarkCase));
        return share ? run.ShareOfPeak.ToString("0 %", CultureInfo.InvariantCulture) : run.GigaflopsPerSecond.ToString("0.0", CultureInfo.InvariantCulture);
    }

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    public bool IsAvailable(Summary summary) => true;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    // Counted in a run of its own. The reference's graphs cannot be looked into: what ours does stands for them.
    private static long Operations(BenchmarkCase benchmarkCase)
    {
        (Type type, string size) = (benchmarkCase.Descriptor.Type, (string)benchmarkCase.Parameters[nameof(BenchmarkBase.Size)]);
        string method = benchmarkCase.Descriptor.WorkloadMethod.Name
            .Replace(nameof(BenchmarkBase.Reference), nameof(BenchmarkBase.Ours), StringComparison.Ordinal);
        if (!s_operations.TryGetValue((type, size, method), out long operations))
        {
            var question = (BenchmarkBase)Activator.CreateInstance(type)!;
            question.Size = size;
            question.Setup();
            operations = s_operations[(type, size, method)] = FlopCounter.Count(() => type.GetMethod(method)!.Invoke(question, null));
            question.Cleanup();
        }

        return operations;
    }
}

/// <summary>A column with the peak resident memory of one run above what was resident before it, measured after the timed runs.</summary>
internal sealed class MemoryColumn : IColumn
{
    public string Id => "PeakMemory";

    public string ColumnName => "Peak MB";

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 2;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => "Peak resident memory of one run above what was resident before it, native memory included; on the CPU alone";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        if (BenchmarkDevice.Current.type != DeviceType.CPU)
        {
            return "-";
        }

        object instance = Activator.CreateInstance(benchmarkCase.Descriptor.Type)!;
        foreach (BenchmarkDotNet.Parameters.ParameterInstance parameter in benchmarkCase.Parameters.Items)
        {
            benchmarkCase.Descriptor.Type.GetProperty(parameter.Name)!.SetValue(instance, parameter.Value);
        }

        benchmarkCase.Descriptor.GlobalSetupMethod?.Invoke(instance, null);
        try
        {
            // The first run fills caches that stay.
            benchmarkCase.Descriptor.WorkloadMethod.Invoke(instance, null);
            long? peak = PeakMemory.Of(() => benchmarkCase.Descriptor.WorkloadMethod.Invoke(instance, null));
            return peak is { } bytes ? (bytes / 1e6).ToString("0", CultureInfo.InvariantCulture) : "-";
        }
        finally
        {
            benchmarkCase.Descriptor.GlobalCleanupMethod?.Invoke(instance, null);
        }
    }

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    public bool IsAvailable(Summary summary) => true;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;
}
