namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>What a model makes of images.</summary>
internal enum ImageUse
{
    /// <summary>It makes videos from texts alone.</summary>
    None,

    /// <summary>It makes videos from texts, and takes frames as given where there are images of them.</summary>
    Optional,

    /// <summary>It makes videos from images and reads no texts.</summary>
    Required,
}
