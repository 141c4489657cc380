using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>Writes the weights of a failed run into the first folder that can be written. It never throws: the run's failure must be reported.</summary>
internal static class RecoveryFile
{
    /// <summary>Writes the file.</summary>
    /// <param name="rescued">The weights.</param>
    /// <param name="folders">The folders, in order of preference; one that does not exist is created.</param>
    /// <returns>The path of the file, or null and why no folder could be written.</returns>
    public static (string? Path, string? Problem) Write(RescuedAdapters rescued, IReadOnlyList<string> folders)
    {
        var problems = new List<string>();
        foreach (string folder in folders)
        {
            try
            {
                Directory.CreateDirectory(folder);
                string path = Path.Combine(folder, $"adapters-after-step-{rescued.Step}-{Guid.NewGuid():N}.safetensors");
                AtomicFile.Write(path, stream => stream.Write(rescued.Content));
                return (path, null);
            }
            catch (Exception problem)
            {
                problems.Add($"'{folder}': {problem.Message}");
            }
        }

        return (null, string.Join("; ", problems));
    }
}
