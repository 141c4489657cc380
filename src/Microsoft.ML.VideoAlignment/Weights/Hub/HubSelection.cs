using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Selects the files of a model that are needed.</summary>
/// <remarks>
/// Models come in several forms side by side, each as large as the others: safetensors and PyTorch files, full and half precision, folders and one checkpoint.
/// </remarks>
internal static partial class HubSelection
{
    private static readonly string[] s_small = [".json", ".txt", ".model", ".gz", ".yaml", ".yml", ".npy", ".tiktoken"];
    private static readonly string[] s_checkpoints = [".ckpt", ".pt", ".pth"];

    /// <summary>
    /// Selects configurations and vocabularies, and of each folder the weights in one form: those that will be opened (<see cref="WeightNames"/>).
    /// </summary>
    /// <remarks>Where no name is a known one, safetensors come before PyTorch files, and the variant before files without one.</remarks>
    /// <param name="files">All files of the model.</param>
    /// <param name="variant">The variant in the files' names, such as "fp16"; null: none.</param>
    public static IReadOnlyList<HubFile> Choose(IReadOnlyList<HubFile> files, string? variant)
    {
        List<HubFile> chosen = [.. files.Where(IsSmall)];
        foreach (IGrouping<string, HubFile> folder in WeightFolders(files))
        {
            chosen.AddRange(Known(folder, variant)
                ?? Form(folder, ".safetensors", variant)
                ?? Form(folder, ".bin", variant)
                ?? [.. folder.Where(file => Ends(file, s_checkpoints))]);
        }

        return chosen;
    }

    /// <summary>Whether a file is read before it is known whether the model can be opened.</summary>
    /// <param name="file">The file.</param>
    public static bool IsSmall(HubFile file) => Ends(file, s_small) && !IsIndex(file);

    /// <summary>
    /// Describes what is wrong with a variant: no part of the model has it, or null was passed and a part has only variants. Returns null where it fits.
    /// </summary>
    /// <param name="files">All files of the model.</param>
    /// <param name="variant">The variant, such as "fp16"; null: none.</param>
    public static string? FindVariantProblem(IReadOnlyList<HubFile> files, string? variant)
    {
        HubFile[] weights = [.. WeightFolders(files).SelectMany(folder => folder).Where(IsWeights)];
        string[] known = [.. weights.Select(file => VariantOf(file, variant)).OfType<string>().Distinct().Order(StringComparer.Ordinal)];
        if (variant is not null)
        {
            return known.Contains(variant) || weights.Length == 0 ? null
                : $"no file is of the variant '{variant}'. {(known.Length == 0 ? "There are no variants" : $"There are {string.Join(", ", known)}")}; "
                    + "omit the variant, or choose one that exists.";
        }

        IGrouping<string, HubFile>? lacking = WeightFolders(files)
            .FirstOrDefault(folder => folder.Any(IsWeights) && folder.Where(IsWeights).All(file => VariantOf(file, null) is not null));
        return lacking is null ? null
            : $"{(lacking.Key.Length == 0 ? "it" : $"{lacking.Key}/")} has weights only of the variants {string.Join(", ", known)}; "
                + "set VideoModelOptions.Variant to one of them.";
    }

    private static IEnumerable<IGrouping<string, HubFile>> WeightFolders(IReadOnlyList<HubFile> files)
    {
        bool pipeline = files.Any(file => file.Path == DiffusersFolder.IndexName);

        // Next to its folders, a pipeline repository may hold the same weights again in one file.
        return files.Where(file => !IsSmall(file)).GroupBy(file => Path.GetDirectoryName(file.Path) ?? "").Where(folder => folder.Key.Length > 0 || !pipeline);
    }

    // The file or index that will be opened, and the shards of an index; null where no name is known.
    private static HubFile[]? Known(IGrouping<string, HubFile> folder, string? variant)
    {
        Dictionary<string, HubFile> names = folder.ToDictionary(file => Path.GetFileName(file.Path), StringComparer.Ordinal);
        if (WeightNames.Find(names.ContainsKey, variant) is not { } found)
        {
            return null;
        }

        string extension = found.Contains(".safetensors", StringComparison.Ordinal) ? ".safetensors" : ".bin";
        string? form = VariantOf(names[found], variant);
        return IsIndex(names[found])
            ? [names[found], .. folder.Where(file =>
                file.Path.EndsWith(extension, StringComparison.Ordinal) && Shard().IsMatch(file.Path) && VariantOf(file, variant) == form)]
            : [names[found]];
    }

    private static HubFile[]? Form(IEnumerable<HubFile> folder, string extension, string? variant)
    {
        bool HasExtension(HubFile file) =>
            file.Path.EndsWith(extension, StringComparison.Ordinal) || file.Path.Contains($"{extension}.", StringComparison.Ordinal);
        HubFile[] all = [.. folder.Where(HasExtension)];
        HubFile[] wanted = [.. all.Where(file => VariantOf(file, variant) == variant)];
        HubFile[] plain = [.. all.Where(file => VariantOf(file, variant) is null)];
        return wanted.Length > 0 ? wanted : plain.Length > 0 ? plain : null;
    }

    private static bool IsIndex(HubFile file) => file.Path.Contains(".index.", StringComparison.Ordinal);

    private static bool IsWeights(HubFile file) =>
        file.Path.Contains(".safetensors", StringComparison.Ordinal) || file.Path.Contains(".bin", StringComparison.Ordinal);

    private static string? VariantOf(HubFile file, string? asked)
    {
        string name = Path.GetFileName(file.Path);
        return asked is not null && WeightNames.HasVariant(name, asked) ? asked
            : Variant().Match(name) is { Success: true } match ? match.Groups[1].Value
            : null;
    }

    private static bool Ends(HubFile file, string[] extensions) => extensions.Any(extension => file.Path.EndsWith(extension, StringComparison.Ordinal));

    [GeneratedRegex(@"\.(fp16|bf16|fp32|non_ema|ema)[.-]")]
    private static partial Regex Variant();

    [GeneratedRegex(@"-\d{5}-of-\d{5}\.")]
    private static partial Regex Shard();
}
