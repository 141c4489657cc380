namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// The file of a folder of diffusers or transformers that holds its weights: diffusion_pytorch_model, model or pytorch_model, safetensors before PyTorch files, one file before
/// shards; with a variant asked for, its file where the folder has one, else the plain one. What is downloaded and what is opened follow this one rule.
/// </summary>
internal static class WeightNames
{
    private static readonly string[] s_safetensors = ["diffusion_pytorch_model", "model"];
    private static readonly string[] s_pickled = ["diffusion_pytorch_model", "pytorch_model"];

    /// <summary>The name of the weights' file or index among those of a folder, or null.</summary>
    /// <param name="exists">Whether the folder has a file of a name.</param>
    /// <param name="variant">Such as "fp16", where the file names carry one; null: those without.</param>
    public static string? Find(Func<string, bool> exists, string? variant) => Wanted(variant).FirstOrDefault(exists);

    /// <summary>Every name that is looked for, in order.</summary>
    public static IReadOnlyList<string> Wanted(string? variant) => variant is null
        ? [.. Plain(s_safetensors, "safetensors"), .. Plain(s_pickled, "bin")]
        : [.. Named(s_safetensors, "safetensors", variant), .. Named(s_pickled, "bin", variant), .. Wanted(null)];

    /// <summary>Whether a file name carries the variant.</summary>
    public static bool HasVariant(string name, string variant) =>
        name.Contains($".{variant}.", StringComparison.Ordinal) || name.Contains($".{variant}-", StringComparison.Ordinal);

    private static IEnumerable<string> Plain(string[] stems, string extension) =>
        [.. stems.Select(stem => $"{stem}.{extension}"), .. stems.Select(stem => $"{stem}.{extension}.index.json")];

    // The libraries have changed the place of the variant in an index's name.
    private static IEnumerable<string> Named(string[] stems, string extension, string variant) =>
    [
        .. stems.Select(stem => $"{stem}.{variant}.{extension}"),
        .. stems.SelectMany(stem => new[] { $"{stem}.{extension}.index.{variant}.json", $"{stem}.{extension}.{variant}.index.json", $"{stem}.{variant}.{extension}.index.json" }),
    ];
}
