namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>How a Wan model is given images.</summary>
internal enum WanImageForm
{
    /// <summary>It makes videos from texts alone.</summary>
    None,

    /// <summary>An image may be the first latent frame, at time 0 (Wan 2.2 TI2V-5B).</summary>
    FirstLatent,

    /// <summary>Images are channels behind the latents', with a mask that says where they are (image to video, Wan 2.1 and 2.2 A14B).</summary>
    Channels,
}
