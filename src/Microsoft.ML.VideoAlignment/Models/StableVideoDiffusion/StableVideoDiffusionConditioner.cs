using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>
/// Images to their CLIP embedding, their latents and three numbers: frame rate, motion bucket, strength of the added noise. Prompts are not read.
/// </summary>
/// <remarks>Guidance leads away from no image: zeros in place of embedding and latents, the same numbers.</remarks>
/// <param name="encoder">The image encoder; it belongs to this.</param>
/// <param name="vae">The autoencoder that makes latents of an image.</param>
/// <param name="unet">The denoiser, whose device and precision images are brought to.</param>
internal sealed class StableVideoDiffusionConditioner(ClipVisionEncoder encoder, AutoencoderKLTemporalDecoder vae, StableVideoDiffusionUNet unet) : IConditioner
{
    /// <summary>Side of the image that the image encoder sees, whatever its own configuration says.</summary>
    private const long EncoderSide = 224;

    public IReadOnlyDictionary<string, nn.Module> Networks { get; } = new Dictionary<string, nn.Module>(StringComparer.Ordinal) { ["image_encoder"] = encoder };

    /// <summary>None: no text is read.</summary>
    public IEnumerable<string> TextEncoders => [];

    public Condition Encode(VideoRequest request)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor given = request.Images ?? throw new ArgumentException(
            $"{VideoModelFamily.StableVideoDiffusion} makes a video from an image, and the request has none. Give each row an image, RGB in [0, 1], "
                + "that the video begins with.",
            nameof(request));
        Shapes.Require(given, $"{request.Prompts.Count}, 3, H, W", nameof(request.Images));
        Tensor like = unet.parameters().First();
        Tensor images = FirstFrame.Fit(given.to(like.device).to_type(Placement.ComputeDtype(like.dtype)), request.Size.Height, request.Size.Width);
        Tensor noise = request.Noise(images.shape);
        bool carries = images.requires_grad;
        Tensor embedding = carries ? Recompute.Run(inputs => Embed(inputs[0]), images) : Embed(images); // [B, 1, D]
        Tensor latents = carries ? Recompute.Run(inputs => Encoded(inputs[0], inputs[1]), images, noise) : Encoded(images, noise);
        float[] numbers = [(float)(request.FramesPerSecond - 1), (float)request.MotionBucketId, (float)request.NoiseAugmentation];
        return new Condition
        {
            Text = embedding.MoveToOuterDisposeScope(),
            ImageLatents = latents.MoveToOuterDisposeScope(),
            Scalars = DeviceTable.Create(numbers, like.device).repeat(images.shape[0], 1).MoveToOuterDisposeScope(),
            Size = request.Size,
        };

        Tensor Encoded(Tensor given, Tensor added) => Latents(given, added, request.NoiseAugmentation);
    }

    public Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition> encode) => conditional with
    {
        Text = zeros_like(conditional.Text),
        ImageLatents = zeros_like(conditional.ImageLatents!),
        Scalars = conditional.Scalars!.alias(),
    };

    public Condition CreateEmpty(int batch, VideoSize size) => new()
    {
        Text = empty([batch, 1, unet.Config.CrossAttentionWidth[0]], device: META),
        ImageLatents = empty(
            [batch, unet.Config.InChannels - unet.Config.OutChannels, size.Height / vae.SpatialFactor, size.Width / vae.SpatialFactor], device: META),
        Scalars = empty([batch, 3], device: META),
        Size = size,
    };

    public string EncoderText(string prompt, int segment, int segments) => prompt;

    public string RewardText(string prompt, int segments) => prompt;

    public int CountTruncated(string prompt, int segments) => 0;

    public void Release()
    {
        // There is no text encoder.
    }

    public void MoveTo(Device device) => encoder.to(device);

    public void Dispose() => encoder.Dispose();

    /// <summary>Adds noise to images; the sum is not cut.</summary>
    /// <param name="images">[B, 3, H, W] in [0, 1].</param>
    /// <param name="noise">Standard normal, of that shape.</param>
    /// <param name="strength">Standard deviation of what is added.</param>
    /// <returns>The images in [-1, 1], with noise on them.</returns>
    internal static Tensor WithNoise(Tensor images, Tensor noise, double strength)
    {
        using DisposeScope scope = NewDisposeScope();
        return images.Mul(2).Sub(1).Add(noise.Mul(strength)).MoveToOuterDisposeScope();
    }

    // Embeds images [B, 3, H, W] in [0, 1] -> [B, 1, D]. They are stretched to a square; overshoot of the resize is not cut.
    private Tensor Embed(Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor square = BlurredResize.Apply(images, EncoderSide, EncoderSide);
        return encoder.forward(UnitRange.Standardize(square, ClipPixels.Mean, ClipPixels.Std)).unsqueeze(1).MoveToOuterDisposeScope();
    }

    // Encodes images [B, 3, H, W] in [0, 1] with noise on them -> [B, z, h, w], the encoder's mean, not scaled.
    private Tensor Latents(Tensor images, Tensor noise, double strength)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor mean, Tensor _) = vae.Encode(WithNoise(images, noise, strength));
        return mean.MoveToOuterDisposeScope();
    }
}
