namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>Where the files of a saved reward are.</summary>
/// <param name="Kind">The reward's kind, for the error.</param>
/// <param name="Places">Paths by what the file is for.</param>
internal readonly record struct RewardFiles(string Kind, IReadOnlyDictionary<string, string> Places)
{
    /// <summary>The path of a file.</summary>
    /// <param name="role">What the file is for.</param>
    /// <exception cref="InvalidDataException">The model file names none for it.</exception>
    public string this[string role] => Places.GetValueOrDefault(role) ?? throw new InvalidDataException($"The model's reward {Kind} lacks its file '{role}'.");
}
