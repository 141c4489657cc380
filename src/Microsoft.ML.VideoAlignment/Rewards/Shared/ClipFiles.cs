namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>Checks that a folder can hold a CLIP model, before anything is read.</summary>
internal static class ClipFiles
{
    /// <summary>Requires config.json.</summary>
    /// <param name="folder">Where a CLIP model is to be.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder, or it is not a transformers folder.</exception>
    public static void Require(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        if (!File.Exists(Path.Combine(folder, "config.json")))
        {
            throw new DirectoryNotFoundException(
                $"No CLIP model at {Path.GetFullPath(folder)}: expected a transformers folder with config.json and the weights " +
                (File.Exists(folder) ? "(this is a file; VideoRewards.HumanPreferenceV2 takes one, rewards on a CLIP folder do not)."
                : Directory.Exists(folder) ? "(the folder is there, config.json is not)." : "(there is no such folder)."));
        }
    }
}
