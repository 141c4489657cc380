using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Opens a T5 encoder's folder the way that the machine's memory allows.</summary>
internal static class T5Files
{
    /// <summary>The part of the free memory that a text encoder may take: a denoiser and a decoder are to come.</summary>
    private const double Share = 0.5;

    /// <summary>Reads config.json; the weights at once, or at each call.</summary>
    /// <param name="folder">A transformers folder.</param>
    /// <param name="placement">Where weights go and how they are stored.</param>
    /// <param name="residence">Where they stay.</param>
    /// <param name="variant">Such as "fp16", where the file names carry one.</param>
    public static IT5Encoder Open(string folder, Placement placement, TextEncoderLoading residence = TextEncoderLoading.Automatic, string? variant = null)
    {
        bool stream = residence == TextEncoderLoading.Streamed
            || (residence == TextEncoderLoading.Automatic && Bytes(new DiffusersFolder(folder).Parse(T5Config.FromJson), placement.EightBitMatrices ? ScalarType.Int8 : placement.Dtype) > Share * FreeMemory());
        return stream ? StreamedT5Encoder.FromFolder(folder, placement, variant) : T5Encoder.FromFolder(folder, placement, variant);
    }

    /// <summary>Bytes of the encoder's weights when they are stored so.</summary>
    public static long Bytes(T5Config config, ScalarType dtype)
    {
        using var shapes = new T5Encoder(config, Placement.Meta);
        return shapes.parameters().Sum(parameter => parameter.numel()) * dtype.ElementSize();
    }

    /// <summary>Of what this process may have (a container's limit counts), what it does not hold yet.</summary>
    private static long FreeMemory() => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet;
}
