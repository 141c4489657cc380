namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>Makes a reward again from what a model file says of it.</summary>
internal static class RewardResolver
{
    /// <summary>Checks every file against its hash and makes the reward again.</summary>
    /// <param name="reference">The reward as a model file holds it.</param>
    /// <param name="make">Makes a plain reward from its reference and the places of its files, by role.</param>
    /// <param name="moved">New places for files that are no longer where they were, by old path; null: none.</param>
    /// <returns>The reward; the caller owns it.</returns>
    /// <exception cref="FileNotFoundException">Files are missing; the message names all of them.</exception>
    /// <exception cref="InvalidDataException">Files are not the same, and the message names all of them; or the reference contradicts itself.</exception>
    /// <exception cref="RewardContractException">A sum's parts or weights do not go together.</exception>
    public static VideoReward Resolve(
        this RewardReference reference, Func<RewardReference, IReadOnlyDictionary<string, string>, VideoReward> make,
        IReadOnlyDictionary<string, string>? moved = null)
    {
        // All files first, so that nothing large is loaded when something is missing, and one message names everything.
        (string Role, FileReference File, string Place)[] files = [.. reference.AllFiles().Select(file => (file.Role, file.File, Place(file.File, moved)))];
        string[] missing = [.. files.Where(file => !FileReference.Exists(file.Place)).Select(file => $"{file.Role}: {file.Place}")];
        if (missing.Length > 0)
        {
            throw new FileNotFoundException(
                $"The model's reward was made from files that are no longer there: {string.Join("; ", missing)}. " +
                "Put them back, say where they are now, or load the model without its reward.", missing[0]);
        }

        string[] changed = [.. files.Where(file => FileReference.Create(file.Place).Sha256 != file.File.Sha256).Select(file => $"{file.Role}: {file.Place}")];
        if (changed.Length > 0)
        {
            throw new InvalidDataException(
                $"The model's reward was made from other contents of: {string.Join("; ", changed)}. Scores would not mean the same.");
        }

        try
        {
            return Make(reference, make, moved);
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException(
                $"The model's reward {reference.Kind} cannot be made again from what the model file says: {exception.Message}", exception);
        }
    }

    private static string Place(FileReference file, IReadOnlyDictionary<string, string>? moved) => moved?.GetValueOrDefault(file.Path) ?? file.Path;

    private static VideoReward Make(
        RewardReference reference, Func<RewardReference, IReadOnlyDictionary<string, string>, VideoReward> make, IReadOnlyDictionary<string, string>? moved)
    {
        if (!reference.IsMix)
        {
            return make(reference, reference.Files.ToDictionary(file => file.Key, file => Place(file.Value, moved), StringComparer.Ordinal));
        }

        var parts = new List<(VideoReward Reward, float Weight)>();
        try
        {
            foreach (RewardReference.WeightedPart part in reference.Parts)
            {
                parts.Add((Make(part.Reward, make, moved), part.Weight));
            }

            return RewardMix.FromReference(reference, parts);
        }
        catch
        {
            parts.ForEach(part => part.Reward.Dispose());
            throw;
        }
    }
}
