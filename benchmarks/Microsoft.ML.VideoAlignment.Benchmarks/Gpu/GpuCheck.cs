using System.Diagnostics;
using System.Globalization;
using Examples;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>The check that anyone with an NVIDIA GPU can run; on the CPU, at tiny size, it checks itself.</summary>
internal static class GpuCheck
{
    /// <summary>The option that runs the check.</summary>
    public const string Option = "--gpu";

    /// <summary>The option that runs one phase of it, as the check starts it in a process of its own.</summary>
    public const string PhaseOption = "--gpu-phase";

    /// <summary>The exit code where there is no GPU to check.</summary>
    public const int NoDevice = 3;

    private const double GpuSeconds = 470, CpuSeconds = 1200;

    private const string Help = """
        Checks the library on an NVIDIA GPU within 8 minutes, each phase in a process of its own, and writes a table (gpu-check.md) and its figures
        (gpu-check.json).

          --cpu            the same phases on the CPU, at tiny size, in about a minute
          --device NAME    cuda (the default) or cuda:N
          --only TEXT      the phases whose names contain it
          --out FOLDER     where the table goes; the working folder by default
          --tests FILE     the built test assembly, whose conformance cases are run

        Exit code: 0 where everything passed, 1 where anything failed, 2 for a wrong command line, 3 where there is no GPU.
        """;

    /// <summary>Runs the check.</summary>
    /// <param name="arguments">The command line after <see cref="Option"/>.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] arguments) => Examples.CommandLine.Run("benchmarks --gpu", Help, arguments, line =>
    {
        bool cpu = line.Flag("--cpu");
        string device = line.Text(DeviceName.Option) ?? (cpu ? "cpu" : "cuda");
        (string only, string folder) = (line.Text("--only") ?? "", line.Text("--out") ?? ".");
        string tests = line.Existing("--tests") ?? FindTests();
        line.End();
        if (cpu != (Examples.CommandLine.Open(DeviceName.Option, () => DeviceName.Parse(device)) is null))
        {
            throw new UsageException($"{DeviceName.Option} {device} does not go {(cpu ? "with" : "without")} --cpu");
        }

        try
        {
            BenchmarkDevice.Choose(device);
        }
        catch (InvalidOperationException error)
        {
            Console.Error.WriteLine($"benchmarks --gpu: {error.Message} With --cpu the same phases run on the CPU, at tiny size.");
            return NoDevice;
        }

        IReadOnlyList<CheckPhase> all = CheckPlan.Phases(cpu, tests, BenchmarkDevice.Current.index);
        CheckPhase[] phases = [.. all.Where(phase => phase.Name.Contains(only, StringComparison.OrdinalIgnoreCase))];
        return phases.Length == 0
            ? throw new UsageException($"--only {only}: no such phase; expected a part of {string.Join(", ", all.Select(phase => phase.Name))}")
            : Run(phases, cpu ? "the CPU, tiny size" : CardName(), cpu ? CpuSeconds : GpuSeconds, folder);
    });

    /// <summary>Runs one phase.</summary>
    /// <param name="arguments">The command line after <see cref="PhaseOption"/>, as <see cref="CheckPlan"/> makes it.</param>
    public static void RunPhase(string[] arguments)
    {
        (string name, bool tiny) = (arguments[0], arguments[1] == "cpu");
        BenchmarkDevice.Choose(tiny ? "cpu" : "cuda");
        void Report(CheckRow row) => row.Write(Console.Out);
        switch (name)
        {
            case CheckPlan.Gradient:
                GradientPhase.Run(BenchmarkDevice.Current, tiny, double.Parse(arguments[2], CultureInfo.InvariantCulture), Report);
                break;
            case CheckPlan.Failures:
                FailurePhase.Run(BenchmarkDevice.Current, Report);
                break;
            case CheckPlan.Step:
                StepPhase.Run(arguments[2], Enum.Parse<ComputePrecision>(arguments[3]), tiny, Report);
                break;
            case CheckPlan.Peer when tiny:
                Report(new CheckRow("reference's graphs", CheckVerdict.Skipped, "they have no tiny size"));
                break;
            case CheckPlan.Peer:
                PeerPhase.Run(Report);
                break;
            default:
                throw new ArgumentException($"{PhaseOption} knows no phase '{name}'.", nameof(arguments));
        }
    }

    private static int Run(IReadOnlyList<CheckPhase> phases, string card, double seconds, string folder)
    {
        var clock = Stopwatch.StartNew();
        var results = new List<PhaseResult>();
        var report = new CheckReport(card, results);
        foreach (CheckPhase phase in phases)
        {
            double left = seconds - clock.Elapsed.TotalSeconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{clock.Elapsed.TotalSeconds,4:0} s  {phase.Name} ..."));
            results.Add(left > 1 ? PhaseProcess.Run(phase, left) : PhaseResult.NotRun(phase.Name, "the time of the check was up"));

            // After each phase, so that a check that is cut short still says what it found.
            report.Write(folder);
        }

        Console.WriteLine();
        Console.WriteLine(report.ToMarkdown());
        return report.Passed ? 0 : 1;
    }

    // Beside the program, where both were published to one folder; else where the build leaves it.
    private static string FindTests()
    {
        const string Project = "Microsoft.ML.VideoAlignment.Tests", Assembly = $"{Project}.dll";
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        string beside = Path.Combine(here.FullName, Assembly);
        if (File.Exists(beside))
        {
            return beside;
        }

        string built = Path.GetRelativePath(here.Parent!.Parent!.Parent!.FullName, here.FullName);
        for (DirectoryInfo? folder = here; folder is not null; folder = folder.Parent)
        {
            string found = Path.Combine(folder.FullName, "test", Project, built, Assembly);
            if (File.Exists(found))
            {
                return found;
            }
        }

        return beside;
    }

    private static string CardName()
    {
        string index = BenchmarkDevice.Current.index.ToString(CultureInfo.InvariantCulture);
        try
        {
            var start = new ProcessStartInfo("nvidia-smi", ["--query-gpu=name,driver_version", "--format=csv,noheader", "--id=" + index])
            {
                RedirectStandardOutput = true,
            };
            using Process process = Process.Start(start)!;
            string name = process.StandardOutput.ReadToEnd().Trim();
            process.WaitForExit();
            return process.ExitCode == 0 && name.Length > 0 ? name : $"CUDA device {index}";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return $"CUDA device {index}"; // no nvidia-smi
        }
    }
}
