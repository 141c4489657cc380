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
        bool stream = loading == TextEncoderLoading.Streamed || (loading == TextEncoderLoading.Automatic && ExceedsMemory(folder, placement));
        return stream ? StreamedT5Encoder.FromFolder(folder, placement, variant) : T5Encoder.FromFolder(folder, placement, variant);
    }

    /// <summary>Computes the bytes of the encoder's weights.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="dtype">The type that they are stored in.</param>
    public static long CountBytes(T5Config config, ScalarType dtype)
    {
        using var shapes = new T5Encoder(config, Placement.Meta);
        return shapes.parameters().Sum(parameter => parameter.numel()) * dtype.ElementSize();
    }

    private static bool ExceedsMemory(string folder, Placement placement)
    {
        T5Config config = new DiffusersFolder(folder).Parse(T5Config.FromJson);
        return CountBytes(config, placement.EightBitMatrices ? ScalarType.Int8 : placement.Dtype) > Share * FreeMemory();
    }

    // Of the memory that this process may have (a container's limit counts), what it does not hold yet.
    private static long FreeMemory() => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet;
}
