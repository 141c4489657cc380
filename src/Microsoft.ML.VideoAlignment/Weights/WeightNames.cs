namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>The names of weight files in folders of diffusers or transformers. What is downloaded and what is opened follow this one rule.</summary>
/// <remarks>
/// They are diffusion_pytorch_model, model or pytorch_model, safetensors before PyTorch files, one file before shards; of a requested variant where the folder
/// has it, else without one.
/// </remarks>
internal static class WeightNames
{
    private static readonly string[] s_safetensors = ["diffusion_pytorch_model", "model"];
    private static readonly string[] s_pickled = ["diffusion_pytorch_model", "pytorch_model"];

    /// <summary>Returns the name of the weights' file or index; null where the folder has none.</summary>
    /// <param name="exists">Whether the folder has a file of a name.</param>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    public static string? Find(Func<string, bool> exists, string? variant) => Candidates(variant).FirstOrDefault(exists);

    /// <summary>Returns the name of the weights' file or index among those of a folder; null where there is none.</summary>
    /// <remarks>Case makes no difference, as in <c>model.SAFETENSORS</c>; of names that differ in nothing else the exact one is taken.</remarks>
    /// <param name="names">The names of the folder's files.</param>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    public static string? FindIn(IEnumerable<string> names, string? variant)
    {
        string[] files = [.. names.Order(StringComparer.Ordinal)];
        return Candidates(variant)
            .Select(name => Array.Find(files, file => file == name) ?? Array.Find(files, file => file.Equals(name, StringComparison.OrdinalIgnoreCase)))
            .FirstOrDefault(found => found is not null);
    }

    /// <summary>Lists every name that is looked for, in order.</summary>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    public static IReadOnlyList<string> Candidates(string? variant) => variant is null
        ? [.. Plain(s_safetensors, "safetensors"), .. Plain(s_pickled, "bin")]
        : [.. Named(s_safetensors, "safetensors", variant), .. Named(s_pickled, "bin", variant), .. Candidates(null)];

    /// <summary>Whether a file name carries a variant.</summary>
    /// <param name="name">The file name.</param>
    /// <param name="variant">The variant, such as "fp16".</param>
    public static bool HasVariant(string name, string variant) =>
        name.Contains($".{variant}.", StringComparison.Ordinal) || name.Contains($".{variant}-", StringComparison.Ordinal);

    private static IEnumerable<string> Plain(string[] stems, string extension) =>
        [.. stems.Select(stem => $"{stem}.{extension}"), .. stems.Select(stem => $"{stem}.{extension}.index.json")];

    // The libraries have changed the place of the variant in an index's name.
    private static IEnumerable<string> Named(string[] stems, string extension, string variant) =>
    [
        .. stems.Select(stem => $"{stem}.{variant}.{extension}"),
        .. stems.SelectMany(stem => new[]
        {
            $"{stem}.{extension}.index.{variant}.json",
            $"{stem}.{extension}.{variant}.index.json",
            $"{stem}.{variant}.{extension}.index.json",
        }),
    ];
}
