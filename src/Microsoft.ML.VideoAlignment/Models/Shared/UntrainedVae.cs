namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>The image autoencoder of untrained models.</summary>
internal static class UntrainedVae
{
    /// <summary>Gives the configuration of a size.</summary>
    /// <param name="request">How large.</param>
    public static AutoencoderKLConfig Config(UntrainedRequest request) => request.Choose<AutoencoderKLConfig>(
        new() { BlockOutChannels = [16, 16, 32], LayersPerBlock = 1, NormGroups = 4, ScalingFactor = 0.5 },
        new() { BlockOutChannels = [64, 128, 256, 256], LayersPerBlock = 2 },
        new() { BlockOutChannels = [128, 256, 512, 512], LayersPerBlock = 2 });
}
