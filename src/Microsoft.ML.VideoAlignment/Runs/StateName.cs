using System.Globalization;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>The name of a state's file, "state-STEP-RUN.safetensors". Files of other names in the folder are not the run's and are not touched.</summary>
/// <param name="Step">Optimizer steps done.</param>
/// <param name="Run">The first 8 digits of the run's name.</param>
internal sealed partial record StateName(int Step, string Run)
{
    private const int RunDigits = 8;

    [GeneratedRegex(@"^state-(?<step>[0-9]{8,10})-(?<run>[0-9a-f]{8})\.safetensors$")]
    private static partial Regex Pattern();

    // What a killed process leaves of a state that it was writing.
    [GeneratedRegex(@"^state-[0-9]{8,10}-[0-9a-f]{8}\.safetensors\.[0-9a-f]{32}\.partial$")]
    private static partial Regex PartialPattern();

    public string FileName => string.Create(CultureInfo.InvariantCulture, $"state-{Step:D8}-{Run}.safetensors");

    public static StateName Create(string run, int step) => new(step, run[..RunDigits]);

    /// <summary>Parses the name of a file.</summary>
    /// <param name="fileName">The name without its folder.</param>
    /// <returns>The parts; null: not the name of a state.</returns>
    public static StateName? Parse(string fileName) =>
        Pattern().Match(fileName) is { Success: true } match
            && int.TryParse(match.Groups["step"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out int step)
            ? new StateName(step, match.Groups["run"].Value)
            : null;

    public static bool IsPartial(string fileName) => PartialPattern().IsMatch(fileName);

    /// <summary>Whether this is a state of a run.</summary>
    /// <param name="run">Name of the run, 32 hexadecimal digits.</param>
    public bool BelongsTo(string run) => run.StartsWith(Run, StringComparison.Ordinal);
}
