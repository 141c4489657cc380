using Microsoft.ML;

namespace Examples;

/// <summary>What every example that aligns a model takes from its command line.</summary>
/// <param name="Steps">Optimizer steps.</param>
/// <param name="Films">Unseen prompts to compare on.</param>
/// <param name="Seed">Seed of everything random.</param>
/// <param name="Out">Where the results go.</param>
internal sealed record RunSettings(int Steps, int Films, int Seed, string Out)
{
    /// <summary>Takes its options out of the command line; <paramref name="name"/> is the folder below out/.</summary>
    public static RunSettings Read(CommandLine line, string name, int steps = 40) => new(
        line.Number("--steps", steps, minimum: 1), line.Number("--films", 32, minimum: 2), line.Number("--seed", 1, minimum: 0), line.Text("--out") ?? Path.Combine("out", name));

    /// <summary>The lines of the help for these options.</summary>
    public static string Help(string name, int steps = 40) => $"""
          --steps N          optimizer steps (default {steps})
          --films N          unseen prompts to compare on, at least 2 (default 32)
          --seed N           seed of everything random (default 1)
          --out FOLDER       where the results go (default out/{name}); a former result there is replaced
          --help             this text
        """;

    /// <summary>CUDA where there is one.</summary>
    public MLContext NewContext() => new(Seed) { GpuDeviceId = 0, FallbackToCpu = true };
}
