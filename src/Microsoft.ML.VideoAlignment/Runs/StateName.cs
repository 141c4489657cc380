using System.Globalization;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>The name of a state's file, "state-STEP-RUN.safetensors": files of other names in the folder are not the run's and are left alone.</summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="Run">The first digits of the run's name.</param>
internal sealed partial record StateName(int Step, string Run)
{
    private const int RunDigits = 8;

    [GeneratedRegex(@"^state-(?<step>[0-9]{8,10})-(?<run>[0-9a-f]{8})\.safetensors$")]
    private static partial Regex Pattern();

    /// <summary>What a killed process leaves of a state that it was writing.</summary>
    [GeneratedRegex(@"^state-[0-9]{8,10}-[0-9a-f]{8}\.safetensors\.[0-9a-f]{32}\.partial$")]
    private static partial Regex PartialPattern();

    public string FileName => string.Create(CultureInfo.InvariantCulture, $"state-{Step:D8}-{Run}.safetensors");

    public static StateName For(string run, int step) => new(step, run[..RunDigits]);

    /// <summary>The parts of a file's name; null: not a state's.</summary>
    public static StateName? Parse(string fileName) =>
        Pattern().Match(fileName) is { Success: true } match && int.TryParse(match.Groups["step"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out int step)
            ? new StateName(step, match.Groups["run"].Value)
            : null;

    public static bool IsPartial(string fileName) => PartialPattern().IsMatch(fileName);

    /// <summary>Whether it is a state of this run.</summary>
    public bool IsOf(string run) => run.StartsWith(Run, StringComparison.Ordinal);
}
