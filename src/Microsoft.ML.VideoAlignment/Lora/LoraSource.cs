using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>The tensors of an adapter file, whatever its dialect.</summary>
internal static class LoraSource
{
    /// <summary>Opens the named tensors of an adapter file; if a checkpoint holds a single dict at its top, those of that dict.</summary>
    /// <param name="path">A file in safetensors or PyTorch's format.</param>
    /// <returns>The source, which the caller disposes.</returns>
    /// <exception cref="WeightFileException">The file is damaged, or has no tensors with names.</exception>
    public static IWeightSource Open(string path)
    {
        IWeightSource source = WeightFile.OpenSingle(path);
        try
        {
            (source as TorchFile)?.SelectOnlyDict();
            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }
}
