namespace Microsoft.ML.VideoAlignment;

/// <summary>The families of base models that this library knows.</summary>
public enum VideoModelFamily
{
    /// <summary>ModelScope text-to-video: a 3-D UNet, DDIM.</summary>
    ModelScope,

    /// <summary>VideoCrafter text-to-video: lvdm's UNet and DDIM.</summary>
    VideoCrafter,

    /// <summary>Open-Sora 1.2 text-to-video: a transformer and rectified flow.</summary>
    OpenSora,

    /// <summary>Stable Video Diffusion, from an image: a 3-D UNet, Euler steps.</summary>
    StableVideoDiffusion,
}

/// <summary>How large an untrained model is.</summary>
public enum UntrainedSize
{
    /// <summary>A few hundred thousand weights in every kind of block that the published model has: steps of milliseconds.</summary>
    Tiny,

    /// <summary>The published blocks in about a third of their widths, 0.3 to 0.8 GB of weights: for measuring time and memory.</summary>
    Middle,
}
