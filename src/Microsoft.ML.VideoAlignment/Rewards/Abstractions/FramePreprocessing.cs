using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment;

/// <summary>How an image network wants its images. Two rewards with equal records share the images of one call.</summary>
public sealed record FramePreprocessing
{
    /// <summary>Mean and standard deviation of each channel, as CLIP was trained with.</summary>
    public static ((float R, float G, float B) Mean, (float R, float G, float B) Std) Clip => (ClipPixels.Mean, ClipPixels.Std);

    /// <summary>Mean and standard deviation of each channel over ImageNet, as torchvision and the video networks have them.</summary>
    public static ((float R, float G, float B) Mean, (float R, float G, float B) Std) ImageNet { get; } = ((0.485f, 0.456f, 0.406f), (0.229f, 0.224f, 0.225f));

    /// <summary>Height of the images, in pixels.</summary>
    public required int Height { get; init; }

    /// <summary>Width of the images, in pixels.</summary>
    public required int Width { get; init; }

    /// <summary>What becomes of other proportions. Default: stretched.</summary>
    public FrameFit Fit { get; init; } = FrameFit.Stretch;

    /// <summary>How a resize weighs pixels. Default: bilinear.</summary>
    public Interpolation Interpolation { get; init; } = Interpolation.Bilinear;

    /// <summary>Whether a smaller image averages over all pixels that it covers. Default true.</summary>
    public bool Antialias { get; init; } = true;

    /// <summary>Whether frames are cut to [0, 1] before the resize; the gradient is 1 inside, 0 outside and at the bounds. Default true.</summary>
    public bool Clamp { get; init; } = true;

    /// <summary>Subtracted from each channel.</summary>
    public required (float R, float G, float B) Mean { get; init; }

    /// <summary>Divides each channel after that.</summary>
    public required (float R, float G, float B) Std { get; init; }

    /// <summary>What VADER does before every CLIP network: stretched to a square, bilinear with antialias.</summary>
    /// <param name="size">Side of the square, in pixels.</param>
    public static FramePreprocessing ForClip(int size) => new() { Height = size, Width = size, Mean = Clip.Mean, Std = Clip.Std };

    /// <summary>Stretched, bilinear with antialias, ImageNet's mean and standard deviation.</summary>
    /// <param name="height">Height, in pixels.</param>
    /// <param name="width">Width, in pixels.</param>
    public static FramePreprocessing ForImageNet(int height, int width) => new() { Height = height, Width = width, Mean = ImageNet.Mean, Std = ImageNet.Std };

    /// <summary>
    /// What PickScore's training did (transformers' CLIPImageProcessor): short side to <paramref name="size"/>, bicubic with antialias, center crop.
    /// </summary>
    /// <param name="size">Side of the square, in pixels.</param>
    public static FramePreprocessing ForPickScore(int size) => ForClip(size) with { Fit = FrameFit.Crop, Interpolation = Interpolation.Bicubic };

    /// <summary>Says in words how frames are brought to their size, for <see cref="RewardContract.Resizing"/>.</summary>
    public string Describe() => $"{(Fit == FrameFit.Crop ? "short side resized and the middle cut out" : "stretched")}, "
        + $"{Interpolation.ToString().ToLowerInvariant()}{(Antialias ? " with antialias" : "")}";

    /// <summary>Resizes and normalizes images.</summary>
    /// <param name="images">[N, 3, H, W], RGB in [0, 1].</param>
    /// <returns>[N, 3, Height, Width], normalized; the caller owns it.</returns>
    public Tensor Apply(Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Clamp ? UnitRange.Clamp(images) : images;
        (long height, long width) = Fit == FrameFit.Crop ? Resize.FitShortSide(x.shape[2], x.shape[3], Height) : (Height, Width);
        if (x.shape[2] != height || x.shape[3] != width)
        {
            x = Resize.Apply(x, height, width, Interpolation, Antialias);
        }

        if (height != Height || width != Width)
        {
            x = x.narrow(2, (height / 2) - (Height / 2), Height).narrow(3, (width / 2) - (Width / 2), Width);
        }

        return UnitRange.Standardize(x, Mean, Std).MoveToOuterDisposeScope();
    }
}
