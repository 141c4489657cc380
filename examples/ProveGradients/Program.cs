// Proves the gradient of every way to train: back-propagation against difference quotients in float64, on small untrained models.
//   dotnet run -c Release --project examples/ProveGradients
using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.VideoAlignment;
using ProveGradients;
using Spectre.Console;

// A point that lies on a kink of the loss proves nothing; so many are tried.
const int Points = 3;

var anything = ProofCase.Axes.ToDictionary(axis => axis.Name, _ => (string[]?)null);
string help = $"""
    Proves the gradient of every way to train: on a small untrained model of each family, in float64, the derivative that is back-propagated against difference
    quotients of the loss. Without --full: as few cases as have every pair of values of any two of these, and every combination of base-distance, accumulation,
    decode and copies.

    dotnet run -c Release --project examples/ProveGradients -- [options]

    {string.Join("\n", ProofCase.Axes.Select(axis => $"  --{axis.Name,-16} {string.Join(", ", axis.Values)}"))}
                         only cases with this value; names with commas between for several
      --full             the whole product instead ({ProofCase.All(anything).Count()} cases, hours)
      --invariants       what must be equal as well, once for each family
      --rows             every row of every case
      --out FILE         the table as tab-separated values, too
      --help             this text
    """;

return CommandLine.Run("ProveGradients", help, args, Run);

static int Run(CommandLine line)
{
    (bool full, bool invariants, bool everyRow, string? file) = (line.Flag("--full"), line.Flag("--invariants"), line.Flag("--rows"), line.Text("--out"));
    var only = ProofCase.Axes.ToDictionary(axis => axis.Name, axis => Chosen(line, axis));
    line.End();
    ProofCase[] cases = [.. full ? ProofCase.All(only) : ProofCase.EveryPair(only)];
    if (file is not null)
    {
        TargetFile.Require("--out", file);
    }

    using var models = new ProofModels();
    using var rewards = new ProofRewards();
    var clock = Stopwatch.StartNew();
    var table = new ProofTable(cases.Length);
    foreach (ProofCase proof in cases)
    {
        int point = 1;
        GradientCheckReport report = Check(proof, point);
        while (point < Points && !report.Passed && report.Rows.All(row => row.Passed || row.NearKink))
        {
            report = Check(proof, ++point);
        }

        table.Add(proof, report, point, everyRow);
    }

    if (invariants)
    {
        foreach (string family in ProofCase.Axes[0].Values)
        {
            ProofCase proof = ProofCase.EveryValue().First(known => known["family"] == family);
            VideoAlignmentOptions options = proof.Options();
            options = options with { Sampling = options.Sampling with { Steps = 4 } };
            table.AddInvariants(family, GradientCheck.Run(models[proof.Family], rewards["custom"], options));
        }
    }

    GradientCheckReport Check(ProofCase proof, int point)
    {
        #region readme-check
        var check = new GradientCheckOptions { Directions = 1, Parts = 0, Invariants = false, Seed = point };
        return GradientCheck.Run(models[proof.Family], rewards[proof["reward"]], proof.Options(), check);
        #endregion
    }

    table.Print();
    if (file is not null)
    {
        TargetFile.Write(file, path => File.WriteAllText(path, table.Tsv()));
    }

    AnsiConsole.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{table.PassedCount} passed, {table.FailedCount} failed, largest relative error {table.LargestError:0.0e+0}, {clock.Elapsed.TotalSeconds:0} s"));
    return table.FailedCount == 0 ? 0 : 1;
}

static string[]? Chosen(CommandLine line, Axis axis)
{
    string[]? chosen = line.Text($"--{axis.Name}")?.Split(',', StringSplitOptions.TrimEntries);
    return chosen?.FirstOrDefault(value => !axis.Values.Contains(value)) is { } unknown
        ? throw new UsageException($"--{axis.Name} must be of {string.Join(", ", axis.Values)}, got '{unknown}'")
        : chosen;
}
