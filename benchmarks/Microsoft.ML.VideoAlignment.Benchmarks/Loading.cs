using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// What loading takes: the highest resident memory of a process while it fills a family's networks of the middle size from safetensors, against the size they have
/// then; and how long a folder takes to open, of models so small that weights are no matter.
/// </summary>
internal static class Loading
{
    private const string Alone = "--loading-of";

    /// <param name="folders">Models to open: folders of each family, such as those of the conformance cases S12.</param>
    public static void Run(IReadOnlyList<string> folders)
    {
        Console.WriteLine("| family | held as | final, MB | peak, MB | peak / final | seconds |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (string family in FamilyModels.Names)
        {
            string folder = Directory.CreateTempSubdirectory("loading-").FullName;
            try
            {
                using (VideoDiffusionModel model = FamilyModels.Middle(family))
                {
                    foreach ((string name, nn.Module network) in model.Networks)
                    {
                        SafetensorsWriter.Write(Path.Combine(folder, $"{name}.safetensors"), network.state_dict());
                    }
                }

                foreach (WeightPrecision precision in new[] { WeightPrecision.Full, WeightPrecision.Half, WeightPrecision.EightBit })
                {
                    Console.WriteLine($"| {family} | {precision} | {MemoryEstimates.ChildOutput(Alone, family, precision.ToString(), folder)} |");
                }
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }

        foreach (string folder in folders)
        {
            for (int time = 0; time < 2; time++)
            {
                var clock = Stopwatch.StartNew();
                using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(folder);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{model.Family} ({folder}): {clock.Elapsed.TotalSeconds:0.00} s{(time == 0 ? ", first time in the process" : "")}"));
            }
        }
    }

    /// <summary>The child's part: prints the row's end.</summary>
    public static void RunAlone(string family, WeightPrecision precision, string folder)
    {
        MemoryEstimates.WarmUp();
        long? before = PeakMemory.Start();
        var clock = Stopwatch.StartNew();
        using VideoDiffusionModel model = FamilyModels.Middle(family, precision, filled: false);
        foreach ((string name, nn.Module network) in model.Networks)
        {
            using var source = new SafetensorsFile(Path.Combine(folder, $"{name}.safetensors"));
            WeightLoader.Load(network, source);
        }

        double seconds = clock.Elapsed.TotalSeconds;
        double final = model.Networks.Values.SelectMany(network => network.state_dict().Values).Sum(tensor => tensor.numel() * tensor.element_size()) / 1e6;
        Console.WriteLine(PeakMemory.Since(before) is { } bytes
            ? string.Create(CultureInfo.InvariantCulture, $"{final:0} | {bytes / 1e6:0} | {bytes / 1e6 / final:0.00} | {seconds:0.0}")
            : "not measured on this system");
    }
}
