namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// What a training leaves in the state dict of a latent diffusion model beside the networks: moving averages, and the losses of the autoencoder's own training.
/// </summary>
internal static class IgnoredCheckpointKeys
{
    private const string DeepSpeedPrefix = "_forward_module.";

    private static readonly (string Prefix, string Meaning)[] s_known =
    [
        ("model_ema.", "a moving average of the denoiser"), ("ema_model.", "a moving average of the denoiser"), ("ema.", "a moving average of the denoiser"),
        ("first_stage_model.loss.", "the losses that trained the autoencoder"), ("first_stage_model.model_ema.", "a moving average of the autoencoder"),
        ("optimizer.", "the state of an optimizer"),
    ];

    /// <summary>Tells whether a name of the state dict belongs to none of the networks.</summary>
    /// <param name="name">The name.</param>
    public static bool IsIgnored(string name) => Explain(name) is not null;

    /// <summary>Makes a sentence for each kind that is there, with its number and an example.</summary>
    /// <param name="location">The checkpoint.</param>
    /// <param name="names">Every name of its state dict, with or without what DeepSpeed puts before.</param>
    public static IReadOnlyList<string> Describe(string location, IEnumerable<string> names) =>
    [
        .. names.Select(
            name => (Name: name, Meaning: Explain(name.StartsWith(DeepSpeedPrefix, StringComparison.Ordinal) ? name[DeepSpeedPrefix.Length..] : name)))
            .Where(entry => entry.Meaning is not null).GroupBy(entry => entry.Meaning)
            .Select(group => $"{location}: {group.Count()} tensors are left out, {group.Key}, such as '{group.First().Name}'; the weights "
                + "themselves are read."),
    ];

    private static string? Explain(string name) => s_known.FirstOrDefault(known => name.StartsWith(known.Prefix, StringComparison.Ordinal)).Meaning;
}
