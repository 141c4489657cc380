using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// Which files of a model are needed. Models come in several forms side by side, each as large as the other: safetensors and PyTorch files, full and half
/// precision, folders and one checkpoint.
/// </summary>
internal static partial class HubSelection
{
    private static readonly string[] s_small = [".json", ".txt", ".model", ".gz", ".yaml", ".yml", ".npy", ".tiktoken"];
    private static readonly string[] s_checkpoints = [".ckpt", ".pt", ".pth"];

    /// <summary>Configurations and vocabularies, and of each folder the weights in one form: safetensors before PyTorch files, the variant before those without one.</summary>
    public static IReadOnlyList<HubFile> Choose(IReadOnlyList<HubFile> files, string? variant)
    {
        bool pipeline = files.Any(file => file.Path == DiffusersFolder.IndexName);
        List<HubFile> chosen = [.. files.Where(file => Ends(file, s_small) && !IsIndex(file))];
        foreach (IGrouping<string, HubFile> folder in files.Where(file => !Ends(file, s_small) || IsIndex(file)).GroupBy(file => Path.GetDirectoryName(file.Path) ?? ""))
        {
            // Beside the folders of a pipeline lies the same once more in one file.
            if (folder.Key.Length > 0 || !pipeline)
            {
                chosen.AddRange(Form(folder, ".safetensors", variant) ?? Form(folder, ".bin", variant) ?? [.. folder.Where(file => Ends(file, s_checkpoints))]);
            }
        }

        return chosen;
    }

    private static HubFile[]? Form(IEnumerable<HubFile> folder, string extension, string? variant)
    {
        HubFile[] all = [.. folder.Where(file => file.Path.EndsWith(extension, StringComparison.Ordinal) || file.Path.Contains($"{extension}.", StringComparison.Ordinal))];
        HubFile[] wanted = [.. all.Where(file => VariantOf(file) == variant)];
        HubFile[] plain = [.. all.Where(file => VariantOf(file) is null)];
        return wanted.Length > 0 ? wanted : plain.Length > 0 ? plain : all.Length > 0 ? all : null;
    }

    private static bool IsIndex(HubFile file) => file.Path.Contains(".index.", StringComparison.Ordinal);

    private static string? VariantOf(HubFile file) => Variant().Match(Path.GetFileName(file.Path)) is { Success: true } match ? match.Groups[1].Value : null;

    private static bool Ends(HubFile file, string[] extensions) => extensions.Any(extension => file.Path.EndsWith(extension, StringComparison.Ordinal));

    [GeneratedRegex(@"\.(fp16|bf16|fp32|non_ema|ema)[.-]")]
    private static partial Regex Variant();
}
