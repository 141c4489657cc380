namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>The image autoencoder of untrained models.</summary>
internal static class UntrainedVae
{
    /// <summary>Gives the configuration of a size.</summary>
    /// <param name="tiny">Whether it is tiny, rather than of middle size.</param>
    public static AutoencoderKLConfig Config(bool tiny) => tiny
        ? new() { BlockOutChannels = [16, 16, 32], LayersPerBlock = 1, NormGroups = 4, ScalingFactor = 0.5 }
        : new() { BlockOutChannels = [64, 128, 256, 256], LayersPerBlock = 2 };
}
