namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Finds the vocabulary of a model's T5: next to the encoder's weights, or in a tokenizer folder of its own, as diffusers saves it.</summary>
internal static class T5TokenizerFolder
{
    /// <summary>The file name of T5's vocabulary.</summary>
    public const string FileName = "spiece.model";

    private const string FastFileName = "tokenizer.json";

    private static readonly string[] s_folders = ["text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "text_encoder_3", "tokenizer_3"];

    /// <summary>Returns the folder with the vocabulary.</summary>
    /// <param name="modelFolder">The folder of the whole model.</param>
    /// <exception cref="FileNotFoundException">No folder has one; the message lists those searched.</exception>
    public static string Find(string modelFolder)
    {
        string[] places = [.. s_folders.Select(folder => Path.Combine(modelFolder, folder))];
        return places.FirstOrDefault(folder => File.Exists(Path.Combine(folder, FileName)))
            ?? throw Missing($"below {Path.GetFullPath(modelFolder)}, neither in {string.Join(", ", s_folders[..^1])} nor in {s_folders[^1]}", places);
    }

    /// <summary>Returns the path of the vocabulary in a T5's folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="FileNotFoundException">The folder has none.</exception>
    public static string Require(string folder)
    {
        string path = Path.Combine(folder, FileName);
        return File.Exists(path) ? path : throw Missing($"at {Path.GetFullPath(path)}", [folder]);
    }

    private static FileNotFoundException Missing(string where, string[] looked)
    {
        string? fast = looked.Select(folder => Path.Combine(folder, FastFileName)).FirstOrDefault(File.Exists);
        return new FileNotFoundException(
            $"There is no SentencePiece model {where}. T5's tokenizer is the file {FileName} of its folder"
            + (fast is null ? "." : $"; {fast} alone, the same vocabulary for another library, is not enough.")
            + $" It comes with the published encoder, such as google/t5-v1_1-xxl: put its {FileName} there.", FileName);
    }
}
