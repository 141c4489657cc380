namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>The networks of a Wan model.</summary>
/// <param name="HighNoise">The transformer; where there are two experts, that of the first steps.</param>
/// <param name="LowNoise">The expert of the last steps; null: there is one transformer.</param>
/// <param name="Vae">The autoencoder.</param>
/// <param name="ImageEncoder">What makes states of images; null where the transformer reads none.</param>
internal sealed record WanNetworks(WanTransformer HighNoise, WanTransformer? LowNoise, WanVae Vae, WanImageEncoder? ImageEncoder)
{
    /// <summary>How images are given, by the transformer's channels.</summary>
    /// <param name="index">The folder's index.</param>
    public WanImageForm FormOf(WanModelIndex index) => HighNoise.Config.InChannels != HighNoise.Config.OutChannels ? WanImageForm.Channels
        : index.ExpandsTimesteps ? WanImageForm.FirstLatent
        : WanImageForm.None;

    /// <summary>The most images that a video can be given.</summary>
    /// <param name="form">How they are given.</param>
    /// <remarks>One image's states have no positions, so a second's could not be told apart.</remarks>
    public int MostImages(WanImageForm form) => form switch
    {
        WanImageForm.None => 0,
        WanImageForm.FirstLatent => 1,
        _ => ImageEncoder is null || HighNoise.Config.ImagePositions is not null ? 2 : 1,
    };

    /// <summary>The fewest images that a video must be given.</summary>
    /// <param name="form">How they are given.</param>
    public int LeastImages(WanImageForm form) => form != WanImageForm.Channels ? 0 : HighNoise.Config.ImagePositions is not null ? 2 : 1;

    /// <summary>Checks that the networks fit each other and the index.</summary>
    /// <param name="index">The folder's index.</param>
    /// <exception cref="InvalidDataException">They do not.</exception>
    public void Require(WanModelIndex index)
    {
        WanTransformerConfig config = HighNoise.Config;
        long latents = Vae.Config.LatentChannels, given = (2 * latents) + Vae.Config.TimeFactor;
        Require(config.OutChannels == latents, $"transformer: out_channels: expected the autoencoder's {latents} (z_dim), got {config.OutChannels}.");
        bool channels = config.InChannels != latents;
        Require(
            config.InChannels == latents || config.InChannels == given,
            $"transformer: in_channels: expected {latents} (text to video) or {given} (image to video: latents, mask, image), got {config.InChannels}.");
        Require(
            !channels || index.IsImageToVideo,
            $"model_index.json names {WanModelIndex.TextToVideo}, and its transformer reads {config.InChannels} channels: it makes videos from images. Name "
                + $"{WanModelIndex.ImageToVideo}, or take the weights of text to video ({latents} channels).");
        Require(
            channels || index.ExpandsTimesteps || !index.IsImageToVideo,
            $"model_index.json names {WanModelIndex.ImageToVideo}, and its transformer reads {latents} channels, which leaves none for an image. Name "
                + $"{WanModelIndex.TextToVideo}, or take the weights of image to video ({given} channels).");
        Require(
            LowNoise is null || Common(LowNoise.Config) == Common(config),
            $"transformer and transformer_2: expected two experts of one model, got {Common(config)} and {Common(LowNoise?.Config ?? config)} (channels in and "
                + "out, width of text and image states, patch).");
        Require(
            ImageEncoder is null || ImageEncoder.Network.Config.HiddenSize == config.ImageWidth,
            $"image_encoder: expected states of {config.ImageWidth} numbers (image_dim of the transformer), got {ImageEncoder?.Network.Config.HiddenSize}.");
    }

    private static (long In, long Out, long Text, long? Image, (long Frames, long Rows, long Columns) Patch) Common(WanTransformerConfig config) =>
        (config.InChannels, config.OutChannels, config.TextWidth, config.ImageWidth, config.PatchSize);

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new InvalidDataException(otherwise);
        }
    }
}
