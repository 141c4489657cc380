namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>Where an adapter's tensors lie, and the peft configuration that belongs to them.</summary>
/// <param name="Weights">Path of the file with the tensors.</param>
/// <param name="Config">Path of adapter_config.json; null: none.</param>
internal sealed record LoraLocation(string Weights, string? Config)
{
    private const string ConfigFile = "adapter_config.json";
    private const string PeftStem = "adapter_model";
    private const string DiffusersStem = "pytorch_lora_weights";

    private static readonly string[] s_extensions = [".safetensors", ".bin", ".pt", ".pth", ".ckpt"];

    /// <summary>Finds the files of an adapter: in a folder of peft or diffusers, in one with a single weight file, or a file by its own path.</summary>
    /// <remarks>A file with peft's name takes the configuration of the folder that it lies in, or that a link leads to.</remarks>
    /// <param name="path">A folder or a file.</param>
    /// <exception cref="WeightFileException">There is nothing there, or more than one adapter; the message lists what was found.</exception>
    public static LoraLocation Find(string path)
    {
        if (Directory.Exists(path))
        {
            return InFolder(path);
        }

        if (Path.GetFileName(path) == ConfigFile)
        {
            return InFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }

        return new LoraLocation(path, IsPeft(path) ? ConfigBeside(path) : null);
    }

    private static LoraLocation InFolder(string folder)
    {
        string[] files = [.. Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];
        string? config = files.Contains(ConfigFile) ? Path.Combine(folder, ConfigFile) : null;

        // Where one adapter is there in two forms, the safetensors file is read, as in peft and diffusers.
        string[] adapters =
        [
            .. files.Where(file => s_extensions.Contains(Path.GetExtension(file)) && !file.StartsWith('.'))
                .GroupBy(file => Path.GetFileNameWithoutExtension(file), StringComparer.Ordinal)
                .Select(group => group.MinBy(file => Array.IndexOf(s_extensions, Path.GetExtension(file)))!),
        ];
        string[] named = [.. adapters.Where(file => Path.GetFileNameWithoutExtension(file) is PeftStem or DiffusersStem)];
        string[] candidates = named.Length > 0 ? named : config is null ? adapters : [];
        if (candidates is not [var weights])
        {
            throw new WeightFileException(folder, candidates.Length > 1
                ? $"holds more than one adapter: {string.Join(", ", candidates)}. Name the file that is wanted."
                : config is null
                    ? $"holds no adapter: looked for {ConfigFile} with {PeftStem}.safetensors (peft), {DiffusersStem}.safetensors (diffusers) "
                        + $"or one weight file. {Found(folder, files)}"
                    : $"has {ConfigFile}, but neither {PeftStem}.safetensors nor {PeftStem}.bin beside it. {Found(folder, files)}");
        }

        return IsPeft(weights) && config is null
            ? throw new WeightFileException(
                Path.Combine(folder, ConfigFile),
                $"there is no such file; a peft adapter is a folder with {ConfigFile} and {PeftStem}.safetensors. Without it the alpha is not known.")
            : new LoraLocation(Path.Combine(folder, weights), IsPeft(weights) ? config : null);
    }

    // The configuration beside the file, or beside what the file links to, link by link.
    private static string? ConfigBeside(string path)
    {
        const int MaxLinks = 40;
        FileSystemInfo? file = new FileInfo(Path.GetFullPath(path));
        for (int link = 0; link < MaxLinks && file is not null && IsPeft(file.FullName); link++)
        {
            string config = Path.Combine(Path.GetDirectoryName(file.FullName)!, ConfigFile);
            if (File.Exists(config))
            {
                return config;
            }

            file = file.ResolveLinkTarget(returnFinalTarget: false);
        }

        return null;
    }

    private static bool IsPeft(string path) => Path.GetFileNameWithoutExtension(path) == PeftStem && s_extensions.Contains(Path.GetExtension(path));

    private static string Found(string folder, string[] files)
    {
        string[] below =
        [
            .. Directory.EnumerateDirectories(folder).Where(child => File.Exists(Path.Combine(child, ConfigFile)))
                .Select(child => Path.GetFileName(child)!).Order(StringComparer.Ordinal),
        ];
        return below.Length > 0
            ? $"There are adapters in the folders {string.Join(", ", below.Take(10))}: name one of them."
            : $"There {(files.Length == 0 ? "is nothing" : $"are: {string.Join(", ", files.Take(10))}{(files.Length > 10 ? ", ..." : "")}")}.";
    }
}
