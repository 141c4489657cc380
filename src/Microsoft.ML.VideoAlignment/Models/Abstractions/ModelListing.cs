using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>The files of a model: what lies at a path, and what a download is still to bring there.</summary>
/// <param name="Path">A folder or a file.</param>
/// <param name="Coming">Names below the folder, with '/', that are there or on their way; none: what is on disk is all.</param>
internal sealed record ModelListing(string Path, IReadOnlyCollection<string> Coming)
{
    /// <summary>Tells whether the folder has, or will have, a file.</summary>
    /// <param name="name">The file's name below the folder, with '/'.</param>
    public bool Has(string name) => File.Exists(System.IO.Path.Combine(Path, name)) || Coming.Contains(name);

    /// <summary>Checks that each of the folders has, or will have, the weights that are opened.</summary>
    /// <param name="variant">The files' variant, such as "fp16"; null: none.</param>
    /// <param name="folders">Names of folders below this one.</param>
    /// <exception cref="WeightFileException">One has not; the error says what was looked for.</exception>
    public void RequireWeights(string? variant, params IReadOnlyList<string> folders)
    {
        if (folders.FirstOrDefault(folder => WeightNames.FindIn(Names(folder), variant) is null) is { } lacking)
        {
            throw new WeightFileException(System.IO.Path.Combine(Path, lacking), "has no weights. Looked for "
                + $"{string.Join(", ", WeightNames.Candidates(variant))}.");
        }
    }

    private IEnumerable<string> Names(string folder)
    {
        string place = System.IO.Path.Combine(Path, folder);
        return (Directory.Exists(place) ? Directory.EnumerateFiles(place).Where(File.Exists).Select(file => System.IO.Path.GetFileName(file)!) : [])
            .Concat(Coming.Where(file => file.StartsWith($"{folder}/", StringComparison.Ordinal)).Select(file => file[(folder.Length + 1)..]));
    }

    /// <summary>Tells whether the folder has, or will have, a folder.</summary>
    /// <param name="name">The folder's name.</param>
    public bool HasFolder(string name) =>
        Directory.Exists(System.IO.Path.Combine(Path, name)) || Coming.Any(file => file.StartsWith($"{name}/", StringComparison.Ordinal));
}
