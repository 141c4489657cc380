using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Where numbers come from: the machine and the library's commit.</summary>
internal static class Provenance
{
    private const string Processor = "/proc/cpuinfo";

    /// <summary>Processor, cores, runtime.</summary>
    public static string Machine { get; } = string.Create(
        CultureInfo.InvariantCulture,
            $"{Name()}, {Environment.ProcessorCount} cores, {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.OSArchitecture}");

    /// <summary>The first 8 digits that the build wrote into the library; "unknown" outside a repository.</summary>
    public static string Commit { get; } =
        typeof(VideoDiffusionModel).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+') is [_,
        { Length: >= 8 } commit] ? commit[..8] : "unknown";

    private static string Name() =>
        File.Exists(Processor) && File.ReadLines(Processor).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) is { } line
            ? line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
            : "unknown processor";
}
