using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Measures what loading takes: the highest resident memory of a process while it fills a family's networks of the middle size from safetensors, against the
/// size they have then; and how long a folder takes to open, of models so small that weights do not matter.
/// </summary>
/// <remarks>
/// Memory is above what was resident after a tiny model of the family had been loaded in the same way and collected, so that the library's code is there and
/// warm. "Without numbers" is the same work up to the comparison of names and shapes: modules, names and what the runtime does not collect meanwhile.
/// </remarks>
internal static class Loading
{
    private const string Alone = "--loading-of";

    /// <summary>Prints the table.</summary>
    /// <param name="folders">Models to open: folders of each family, such as those of the conformance cases S12.</param>
    public static void Run(IReadOnlyList<string> folders)
    {
        Console.WriteLine("| family | held as | final, MB | peak, MB | peak / final | without numbers, MB | seconds |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (string family in FamilyModels.Names)
        {
            using var files = new WrittenModel(family, UntrainedSize.Middle);
            foreach (WeightPrecision precision in new[] { WeightPrecision.Float32, WeightPrecision.Float16, WeightPrecision.Int8 })
            {
                Console.WriteLine($"| {family} | {precision} | {MemoryEstimates.ChildOutput(Alone, family, precision.ToString(), files.Folder)} |");
            }
        }

        foreach (string folder in folders)
        {
            for (int time = 0; time < 2; time++)
            {
                var clock = Stopwatch.StartNew();
                using VideoDiffusionModel model = Open(folder);
                string first = time == 0 ? ", first time in the process" : "";
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{model.Family} ({folder}): {clock.Elapsed.TotalSeconds:0.00} s{first}"));
            }
        }
    }

    /// <summary>Measures one family in this process, the child, and prints the row's end.</summary>
    /// <param name="family">The family.</param>
    /// <param name="precision">How the weights are held.</param>
    /// <param name="folder">The folder of the networks' files.</param>
    public static void RunAlone(string family, WeightPrecision precision, string folder)
    {
        MemoryEstimates.WarmUp();
        using (var files = new WrittenModel(family, UntrainedSize.Tiny))
        using (VideoDiffusionModel tiny = FamilyModels.Untrained(family, UntrainedSize.Tiny, precision, filled: false))
        {
            files.ForEach(tiny, WeightLoader.Load);
        }

        double? names = Peak(() =>
        {
            using VideoDiffusionModel model = FamilyModels.Middle(family, precision, filled: false);
            ForEach(model, folder, WeightLoader.Compare);
        });
        var clock = new Stopwatch();
        VideoDiffusionModel? loaded = null;
        double? peak = Peak(() =>
        {
            clock.Start();
            loaded = FamilyModels.Middle(family, precision, filled: false);
            ForEach(loaded, folder, WeightLoader.Load);
            clock.Stop();
        });
        using (loaded)
        {
            double final = loaded!.Networks.Values.SelectMany(TrainingDryRun.Stored).Sum(tensor => tensor.numel() * tensor.element_size()) / 1e6;
            Console.WriteLine(peak is null
                ? "not measured on this system"
                : string.Create(CultureInfo.InvariantCulture, $"{final:0} | {peak:0} | {peak / final:0.00} | {names:0} | {clock.Elapsed.TotalSeconds:0.0}"));
        }
    }

    // Megabytes above what is resident when nothing can be given back any more; null: not measured on this system.
    private static double? Peak(Action work)
    {
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return PeakMemory.Of(work) / 1e6;
    }

    // A VideoCrafter checkpoint is opened without the vocabulary, which is not beside it until a user puts it there.
    private static VideoDiffusionModel Open(string folder) =>
        VideoCrafterFiles.Recognizes(new ModelListing(folder, [])) && new VideoCrafterFiles(folder) is var files
        ? new VideoDiffusionModel(VideoCrafterModel.Load(files.Checkpoint, files, tokenizer: null, Placement.Cpu))
        : VideoDiffusionModel.FromPretrained(folder);

    private static void ForEach(VideoDiffusionModel model, string folder, Func<nn.Module, IWeightSource, string, KeyMap?, LoadReport> work)
    {
        foreach ((string name, nn.Module network) in model.Networks)
        {
            using var source = new SafetensorsFile(Path.Combine(folder, $"{name}.safetensors"));
            work(network, source, "", null);
        }
    }

    /// <summary>A model's networks as float32 files in a folder of their own.</summary>
    private sealed class WrittenModel : IDisposable
    {
        public WrittenModel(string family, UntrainedSize size)
        {
            using VideoDiffusionModel model = FamilyModels.Untrained(family, size, WeightPrecision.Float32, filled: true);
            foreach ((string name, nn.Module network) in model.Networks)
            {
                SafetensorsWriter.Write(Path.Combine(Folder, $"{name}.safetensors"), network.state_dict());
            }
        }

        public string Folder { get; } = Directory.CreateTempSubdirectory("loading-").FullName;

        public void ForEach(VideoDiffusionModel model, Func<nn.Module, IWeightSource, string, KeyMap?, LoadReport> work) =>
            Loading.ForEach(model, Folder, work);

        public void Dispose() => Directory.Delete(Folder, recursive: true);
    }
}
