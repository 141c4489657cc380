using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>Puts the weights of a failed run into the first folder that takes them. It never throws: the failure of the run is the news.</summary>
internal static class RecoveryFile
{
    /// <param name="rescued">The weights.</param>
    /// <param name="folders">Where to, in order of preference; one that is not there is made.</param>
    /// <returns>The file, or null and why no folder took it.</returns>
    public static (string? Path, string? Problem) Write(RescuedAdapters rescued, IReadOnlyList<string> folders)
    {
        var problems = new List<string>();
        foreach (string folder in folders)
        {
            try
            {
                Directory.CreateDirectory(folder);
                string path = Path.Combine(folder, $"adapters-after-step-{rescued.Step}-{Guid.NewGuid():N}.safetensors");
                WrittenFile.Write(path, stream => stream.Write(rescued.Content));
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
