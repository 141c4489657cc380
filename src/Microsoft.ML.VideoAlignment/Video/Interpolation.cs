namespace Microsoft.ML.VideoAlignment;

/// <summary>How a resize weighs the pixels around a point.</summary>
public enum Interpolation
{
    /// <summary>The nearest pixel, by the rule of torch's mode "nearest", whose pixels lie half a pixel off.</summary>
    Nearest,

    /// <summary>The nearest pixel, by the rule of torch's mode "nearest-exact".</summary>
    NearestExact,

    /// <summary>A triangle over two pixels.</summary>
    Bilinear,

    /// <summary>A cubic over four pixels, which may overshoot.</summary>
    Bicubic,
}
