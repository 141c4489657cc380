using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.Video;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>An alignment read from a zip, with its base model.</summary>
/// <param name="Manifest">The settings.</param>
/// <param name="Model">The base model.</param>
/// <param name="OwnsModel">Whether the reader's caller owns the model; false: a resolver supplied it.</param>
/// <param name="Adapters">The content of an <see cref="Lora.AdapterFile"/>; null: none were saved.</param>
/// <param name="Unpacked">The files of a base model that came inside the zip; null: it was saved by reference.</param>
internal sealed record LoadedAlignment(AlignmentManifest Manifest, VideoDiffusionModel Model, bool OwnsModel, byte[]? Adapters, UnpackedBase? Unpacked);

/// <summary>
/// A saved alignment: <c>settings.json</c>, <c>adapters.safetensors</c>, and, where asked for, the files of the base model as <c>base-0000</c>, ...
/// (their paths are in the settings).
/// </summary>
/// <remarks>ML.NET spools entries through temporary files, so large files need no memory.</remarks>
internal static class AlignmentArchive
{
    private const string ModelSignature = "VIDALIGN";
    private const uint FormatVersion = 0x00010001;
    private const string SettingsEntry = "settings.json";
    private const string AdaptersEntry = "adapters.safetensors";

    /// <summary>Writes an alignment; everything that can be missing is checked before the first byte.</summary>
    /// <param name="context">ML.NET's context, which holds the zip.</param>
    /// <param name="loaderSignature">The name under which ML.NET finds the loader.</param>
    /// <param name="manifest">The settings, without the list of base files.</param>
    /// <param name="adapters">The content of an <see cref="Lora.AdapterFile"/>; null: none.</param>
    /// <param name="baseFolder">The folder whose files are included; null: the base model is saved by reference.</param>
    /// <exception cref="InvalidOperationException">The folder of the base model does not exist.</exception>
    public static void Save(ModelSaveContext context, string loaderSignature, AlignmentManifest manifest, byte[]? adapters, string? baseFolder)
    {
        string[] files = baseFolder is null ? [] : FilesOf(manifest.BaseModel, baseFolder);
        manifest = manifest with
        {
            HasAdapters = adapters is not null,
            BaseFiles = [.. files.Select(file => Path.GetRelativePath(baseFolder!, file).Replace('\\', '/'))]
        };

        MlNetInterop.SetVersion(context, ModelSignature, FormatVersion, loaderSignature);
        MlNetInterop.SaveStream(context, SettingsEntry, writer => writer.Write(manifest.ToJson()));
        if (adapters is not null)
        {
            MlNetInterop.SaveStream(context, AdaptersEntry, writer => writer.Write(adapters));
        }

        VideoModelReference model = manifest.BaseModel;
        SavedPaths.Add(model.Kind == VideoModelSourceKind.Path ? model.Source : null);
        SavedPaths.Add(model.TokenizerPath);
        SavedPaths.Add(model.ConfigurationPath);

        foreach ((int index, string file) in files.Index())
        {
            MlNetInterop.SaveStream(context, BaseEntry(index), writer =>
            {
                using FileStream content = File.OpenRead(file);
                content.CopyTo(writer.BaseStream);
            });
        }
    }

    /// <summary>Reads an alignment, and finds or unpacks its base model.</summary>
    /// <param name="host">The host, which names the temporary folder.</param>
    /// <param name="context">ML.NET's internal ModelLoadContext.</param>
    /// <param name="resolver">Finds base models, and says what may be opened.</param>
    /// <exception cref="FormatException">Entries are missing, damaged, too large, or name files outside their folder.</exception>
    /// <exception cref="InvalidOperationException">The base model may not be opened, is not there, or has other weights.</exception>
    /// <exception cref="IOException">An included base model cannot be unpacked below the temporary folder.</exception>
    public static LoadedAlignment Load(IHost host, object context, ModelResolver resolver)
    {
        var entries = new SavedEntries(context);
        AlignmentManifest manifest = AlignmentManifest.Parse(
            entries.ReadAll(SettingsEntry, SavedEntries.MaxSettingsBytes) ?? throw new FormatException($"The saved alignment has no {SettingsEntry}."));
        byte[]? adapters = entries.ReadAll(AdaptersEntry, Array.MaxLength);
        if (adapters is null && manifest.HasAdapters == true)
        {
            throw new FormatException($"The saved alignment does not hold {AdaptersEntry}, which it says it has; without it the videos would be the base "
                + $"model's. Take the file as it was saved.");
        }

        if (manifest.BaseFiles.Count == 0)
        {
            (VideoDiffusionModel found, bool owned) = resolver.Find(manifest.BaseModel);
            return new LoadedAlignment(manifest, found, owned, adapters, Unpacked: null);
        }

        var unpacked = UnpackedBase.Create(Devices.TemporaryFolder(host), folder => Unpack(entries, manifest.BaseFiles, folder));
        try
        {
            return new LoadedAlignment(manifest, resolver.Open(manifest.BaseModel, unpacked.Folder), OwnsModel: true, adapters, unpacked);
        }
        catch
        {
            unpacked.Dispose();
            throw;
        }
    }

    private static string[] FilesOf(VideoModelReference reference, string folder) => Directory.Exists(folder)
        ? [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(file => !Path.GetRelativePath(folder, file).Split(Path.DirectorySeparatorChar).Any(part => part.StartsWith('.')))
            .Order(StringComparer.Ordinal)]
        : throw new InvalidOperationException(
            $"IncludeBaseModel asks for the files of the {reference.Family} model, but its folder '{folder}' does not exist. "
            + "Restore it, or save by reference.");

    private static void Unpack(SavedEntries entries, IReadOnlyList<string> files, string folder)
    {
        RequireNames(files, folder);
        foreach ((int index, string name) in files.Index())
        {
            string path = Path.Combine(folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            bool found = entries.TryRead(BaseEntry(index), long.MaxValue, reader =>
            {
                using FileStream target = File.Create(path);
                reader.BaseStream.CopyTo(target);
            });
            if (!found)
            {
                throw new FormatException($"The saved alignment lists the base file '{name}' but does not contain it.");
            }
        }
    }

    // The names come from a file that anyone may have made: each must be one file below the folder, under every system's rules.
    private static void RequireNames(IReadOnlyList<string> files, string folder)
    {
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var folders = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (string name in files)
        {
            if (!HubModel.IsSafePath(name) || ImageFolder.Resolve(folder, name) is null)
            {
                throw new FormatException($"The saved alignment names a base file outside its folder: '{name}'.");
            }

            for (int slash = name.IndexOf('/', StringComparison.Ordinal); slash >= 0; slash = name.IndexOf('/', slash + 1))
            {
                folders.Add(name[..slash]);
            }

            if (!taken.Add(name))
            {
                throw new FormatException($"The saved alignment names the base file '{name}' twice.");
            }
        }

        if (files.FirstOrDefault(folders.Contains) is { } both)
        {
            throw new FormatException($"The saved alignment names '{both}' as a base file and as a folder of others.");
        }
    }

    private static string BaseEntry(int index) => $"base-{index:D4}";
}
