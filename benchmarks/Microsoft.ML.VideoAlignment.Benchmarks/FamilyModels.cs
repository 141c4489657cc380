using Microsoft.ML.VideoAlignment.Models;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Makes models of each family without their files: of the published sizes as shapes alone, or of a middle size with random weights.</summary>
internal static class FamilyModels
{
    /// <summary>The families, as the command line and tables name them.</summary>
    public static IReadOnlyList<string> Names { get; } = ["modelscope", "videocrafter", "opensora", "svd"];

    /// <summary>Makes a model of the published size, which has shapes and no memory.</summary>
    /// <param name="family">One of <see cref="Names"/>.</param>
    /// <param name="precision">How the weights are stored.</param>
    public static VideoDiffusionModel Official(string family, WeightPrecision precision) =>
        UntrainedModel.MakeOnMeta(FullName(family), UntrainedSize.Full, precision);

    /// <summary>Makes a model of the same blocks in about a third of the widths: 0.3 to 0.8 GB of weights.</summary>
    /// <param name="family">One of <see cref="Names"/>.</param>
    /// <param name="precision">How the weights are stored.</param>
    /// <param name="filled">Whether the weights are random; false: they are whatever was in memory.</param>
    public static VideoDiffusionModel Middle(string family, WeightPrecision precision = WeightPrecision.Float32, bool filled = true) =>
        Untrained(family, UntrainedSize.Middle, precision, filled);

    /// <summary>Makes a model of the same blocks with next to no weights.</summary>
    /// <param name="family">One of <see cref="Names"/>.</param>
    public static VideoDiffusionModel Tiny(string family) => Untrained(family, UntrainedSize.Tiny, WeightPrecision.Float32, filled: true);

    /// <summary>Makes a model of one of the sizes that need no files.</summary>
    /// <param name="family">One of <see cref="Names"/>.</param>
    /// <param name="size">The size.</param>
    /// <param name="precision">How the weights are stored.</param>
    /// <param name="filled">Whether the weights are random; false: they are whatever was in memory.</param>
    public static VideoDiffusionModel Untrained(string family, UntrainedSize size, WeightPrecision precision, bool filled) =>
        UntrainedModel.Make(FullName(family), size, seed: 1, precision, filled);

    /// <summary>Makes a model with random weights on the device of the benchmarks.</summary>
    /// <param name="family">One of <see cref="Names"/>.</param>
    /// <param name="size">The size.</param>
    /// <param name="precision">How the weights are stored.</param>
    public static VideoDiffusionModel OnDevice(string family, UntrainedSize size, WeightPrecision precision) =>
        UntrainedModel.Make(FullName(family), size, seed: 1, precision, device: BenchmarkDevice.Current);

    private static string FullName(string family) => family switch
    {
        "modelscope" => VideoModelFamily.ModelScope,
        "videocrafter" => VideoModelFamily.VideoCrafter,
        "opensora" => VideoModelFamily.OpenSora,
        _ => VideoModelFamily.StableVideoDiffusion,
    };
}
