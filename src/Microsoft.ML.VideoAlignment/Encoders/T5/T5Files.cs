using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Opens a T5 encoder's folder in the way that the machine's memory allows.</summary>
internal static class T5Files
{
    // The part of the free memory that a text encoder may take: a denoiser and a decoder follow.
    private const double Share = 0.5;

    /// <summary>Reads config.json, and the weights now or at each call.</summary>
    /// <param name="folder">A transformers folder.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="loading">Where the weights are kept between calls.</param>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    public static IT5Encoder Open(string folder, Placement placement, TextEncoderLoading loading = TextEncoderLoading.Automatic, string? variant = null)
    {
        return IsStreamed(folder, placement, loading)
            ? StreamedT5Encoder.FromFolder(folder, placement, variant)
            : T5Encoder.FromFolder(folder, placement, variant);
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
    public static long CountBytes(string folder, Placement placement, TextEncoderLoading loading)
    {
        T5Config config = ReadConfig(folder);
        if (!IsStreamed(folder, placement, loading))
        {
            return CountBytes(config, StoredType(placement));
        }

        using var block = new T5Block(config, ownsTable: true, Placement.Meta);
        return Math.Max(config.VocabSize * config.DModel, block.parameters().Sum(parameter => parameter.numel())) * StoredType(placement).ElementSize();
    }

    private static bool IsStreamed(string folder, Placement placement, TextEncoderLoading loading) => loading == TextEncoderLoading.Streamed
        || (loading == TextEncoderLoading.Automatic && CountBytes(ReadConfig(folder), StoredType(placement)) > Share * FreeMemory());

    private static T5Config ReadConfig(string folder) => new DiffusersFolder(folder).Parse(T5Config.FromJson);

    private static ScalarType StoredType(Placement placement) => placement.EightBitMatrices ? ScalarType.Int8 : placement.Dtype;

    // Of the memory that this process may have (a container's limit counts), what it does not hold yet.
    private static long FreeMemory() => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet;
}
