namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Where the reference's graphs are: the folder PEER_DIR, else shared/peer in or beside the repository. It counts only where all of them are in it.
/// </summary>
/// <param name="Path">The folder; null: nothing is compared.</param>
/// <param name="Absence">Why nothing is compared.</param>
internal sealed record PeerFolder(string? Path, string Absence)
{
    private const string Advice = "set PEER_DIR to the folder that holds";

    /// <summary>Finds the folder.</summary>
    /// <param name="named">PEER_DIR; null or empty: not set.</param>
    /// <param name="start">The folder from which it is looked for upwards.</param>
    /// <param name="files">The files that have to be in it.</param>
    public static PeerFolder Find(string? named, string start, IReadOnlyList<string> files)
    {
        if (!string.IsNullOrEmpty(named))
        {
            string fault = Directory.Exists(named) ? $"lacks {Missing(named, files)}" : "does not exist";
            return Of(named, files) ?? new PeerFolder(null, $"PEER_DIR is '{named}', which {fault}: {Advice} {string.Join(", ", files)}");
        }

        for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
        {
            if (Of(System.IO.Path.Combine(folder.FullName, "shared", "peer"), files) is { } found)
            {
                return found;
            }
        }

        return new PeerFolder(null, $"the reference's graphs are not here: {Advice} {string.Join(", ", files)}");
    }

    private static PeerFolder? Of(string folder, IReadOnlyList<string> files) =>
        Directory.Exists(folder) && Missing(folder, files).Length == 0 ? new PeerFolder(folder, "") : null;

    private static string Missing(string folder, IReadOnlyList<string> files) =>
        string.Join(", ", files.Where(file => !File.Exists(System.IO.Path.Combine(folder, file))));
}
