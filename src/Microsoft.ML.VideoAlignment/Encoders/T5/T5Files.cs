using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Opens a T5 encoder's folder or file in the way that the machine's memory allows.</summary>
internal static class T5Files
{
    // The part of the free memory that a text encoder may take: a denoiser and a decoder follow.
    private const double Share = 0.5;

    /// <summary>Reads the configuration, and the weights now or at each call.</summary>
    /// <param name="path">A transformers folder, or a UMT5's single file, whose sizes are then those of its tensors (<see cref="T5Shapes"/>).</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="loading">Where the weights are kept between calls.</param>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    /// <exception cref="WeightFileException">A file is missing, damaged, or of another network.</exception>
    public static IT5Encoder Open(string path, Placement placement, TextEncoderLoading loading = TextEncoderLoading.Automatic, string? variant = null)
    {
        T5Config config = ReadConfig(path);
        IWeightSource weights = File.Exists(path) ? WeightFile.Open(path) : new DiffusersFolder(path).OpenWeights(variant);
        if (IsStreamed(config, placement, loading))
        {
            return new StreamedT5Encoder(weights, config, placement);
        }

        using (weights)
        {
            return T5Encoder.FromSource(weights, config, placement);
        }
    }

    /// <summary>Computes the bytes of the encoder's weights.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="dtype">The type that they are stored in.</param>
    public static long CountBytes(T5Config config, ScalarType dtype)
    {
        using var shapes = new T5Encoder(config, Placement.Meta);
        return shapes.parameters().Sum(parameter => parameter.numel()) * dtype.ElementSize();
    }

    /// <summary>Computes the bytes of weights that an encoder opened by <see cref="Open"/> has in memory at a time.</summary>
    /// <inheritdoc cref="Open"/>
    /// <returns>All weights; where they are streamed, the largest part that is read at once.</returns>
    public static long CountBytes(string path, Placement placement, TextEncoderLoading loading)
    {
        T5Config config = ReadConfig(path);
        if (!IsStreamed(config, placement, loading))
        {
            return CountBytes(config, StoredType(placement));
        }

        using var block = new T5Block(config, ownsTable: true, Placement.Meta);
        return Math.Max(config.VocabSize * config.DModel, block.parameters().Sum(parameter => parameter.numel())) * StoredType(placement).ElementSize();
    }

    private static bool IsStreamed(T5Config config, Placement placement, TextEncoderLoading loading) => loading == TextEncoderLoading.Streamed
        || (loading == TextEncoderLoading.Automatic && CountBytes(config, StoredType(placement)) > Share * FreeMemory());

    private static T5Config ReadConfig(string path)
    {
        if (!File.Exists(path))
        {
            return new DiffusersFolder(path).Parse(T5Config.FromJson);
        }

        using IWeightSource file = WeightFile.Open(path);
        return T5Shapes.ReadUmt5(file);
    }

    private static ScalarType StoredType(Placement placement) => placement.EightBitMatrices ? ScalarType.Int8 : placement.Dtype;

    // Of the memory that this process may have (a container's limit counts), what it does not hold yet.
    private static long FreeMemory() => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet;
}
