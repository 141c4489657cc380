using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Examples;

/// <summary>
/// Chooses libtorch's threads before libtorch is loaded, which is when OpenMP reads its variables: no more than the processors that a container's quota or an
/// affinity leaves, and threads that sleep while they wait for each other. Variables that the user has set stand.
/// </summary>
/// <remarks>By default OpenMP counts the machine's processors and its threads spin, so that one busy neighbor makes every step many times slower.</remarks>
internal static class Threads
{
    private const string Count = "OMP_NUM_THREADS";
    private const string Waiting = "OMP_WAIT_POLICY";
    private const string Spinning = "GOMP_SPINCOUNT";

    /// <summary>Chooses the variables to set.</summary>
    /// <param name="variable">Returns a variable's value; null: it is not set.</param>
    /// <param name="processors">Processors that this process may use, by affinity and quota: .NET's count.</param>
    /// <param name="seen">Processors that OpenMP would count, which does not know of quotas.</param>
    public static IReadOnlyDictionary<string, string> Choose(Func<string, string?> variable, int processors, int seen)
    {
        var chosen = new Dictionary<string, string>();
        bool IsFree(string name) => string.IsNullOrEmpty(variable(name));

        // Without a limit libtorch's own choice stands: one thread a core, not one a hyperthread.
        if (processors < seen && IsFree(Count))
        {
            chosen[Count] = FormattableString.Invariant($"{processors}");
        }

        if (IsFree(Waiting) && IsFree(Spinning))
        {
            chosen[Waiting] = "PASSIVE";
        }

        return chosen;
    }

    /// <summary>Sets the variables before anything else of the program runs.</summary>
    [ModuleInitializer]
    internal static void Set()
    {
        foreach ((string name, string value) in Choose(Environment.GetEnvironmentVariable, Environment.ProcessorCount, Seen()))
        {
            // .NET keeps a copy of the environment, which child processes get; native libraries read the C library's.
            Environment.SetEnvironmentVariable(name, value);
            if (!OperatingSystem.IsWindows())
            {
                _ = SetNative(name, value, overwrite: 1);
            }
        }
    }

    // The processors of this process' affinity; where the system does not tell, .NET's count.
    private static int Seen()
    {
        const string Line = "Cpus_allowed_list:";
        try
        {
            string? list = File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(Line, StringComparison.Ordinal));
            return list is null ? Environment.ProcessorCount : CountOf(list[Line.Length..]);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException)
        {
            return Environment.ProcessorCount;
        }
    }

    /// <summary>Counts the processors of a list such as 0-3,8.</summary>
    /// <param name="list">The list, as /proc/self/status has it.</param>
    internal static int CountOf(string list) => list.Split(',').Sum(range =>
    {
        int[] ends = [.. range.Split('-').Select(end => int.Parse(end, System.Globalization.CultureInfo.InvariantCulture))];
        return ends[^1] - ends[0] + 1;
    });

    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetNative(string name, string value, int overwrite);
}
