namespace Microsoft.ML.VideoAlignment;

/// <summary>The names of the families of base models that this library comes with, as <see cref="VideoDiffusionModel.Family"/> gives them.</summary>
public static class VideoModelFamily
{
    /// <summary>ModelScope text-to-video: a 3-D UNet, DDIM.</summary>
    public const string ModelScope = "ModelScope";

    /// <summary>VideoCrafter text-to-video: lvdm's UNet and DDIM.</summary>
    public const string VideoCrafter = "VideoCrafter";

    /// <summary>Open-Sora 1.2 text-to-video: a transformer and rectified flow.</summary>
    public const string OpenSora = "OpenSora";

    /// <summary>Stable Video Diffusion, from an image: a 3-D UNet, Euler steps.</summary>
    public const string StableVideoDiffusion = "StableVideoDiffusion";
}
