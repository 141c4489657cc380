namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>What a model makes of pictures.</summary>
internal enum PictureUse
{
    /// <summary>It makes videos from texts alone.</summary>
    None,

    /// <summary>It makes videos from texts, and takes frames as given where there are pictures of them.</summary>
    Optional,

    /// <summary>It makes videos from pictures and reads no texts.</summary>
    Required,
}
