using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>How a frame of another shape than the network's becomes an image.</summary>
internal enum FrameFit
{
    /// <summary>Both sides are resized, whatever that does to proportions.</summary>
    Stretch,

    /// <summary>The short side is resized, the long side in proportion (truncated), and the middle is cut out.</summary>
    Crop,
}

/// <summary>How an image network wants its images. Two rewards with equal records share the images of one call.</summary>
internal sealed record FramePreprocessing
{
    /// <inheritdoc cref="ClipPixels"/>
    public static ((float R, float G, float B) Mean, (float R, float G, float B) Std) Clip => (ClipPixels.Mean, ClipPixels.Std);

    /// <summary>The same of ImageNet, as torchvision and the video networks have it.</summary>
    public static ((float R, float G, float B) Mean, (float R, float G, float B) Std) ImageNet { get; } = ((0.485f, 0.456f, 0.406f), (0.229f, 0.224f, 0.225f));

    public required int Height { get; init; }

    public required int Width { get; init; }

    public FrameFit Fit { get; init; } = FrameFit.Stretch;

    public Interpolation Interpolation { get; init; } = Interpolation.Bilinear;

    public bool Antialias { get; init; } = true;

    /// <summary>Clamps to [0, 1] before the resize; gradient 1 inside, 0 outside and at the bounds.</summary>
    public bool Clamp { get; init; } = true;

    public required (float R, float G, float B) Mean { get; init; }

    public required (float R, float G, float B) Std { get; init; }

    /// <summary>What VADER does before every CLIP network: stretched to a square, bilinear with antialias.</summary>
    public static FramePreprocessing ForClip(int size) => new() { Height = size, Width = size, Mean = Clip.Mean, Std = Clip.Std };

    /// <summary>Stretched, bilinear with antialias, ImageNet's mean and standard deviation.</summary>
    public static FramePreprocessing ForImageNet(int height, int width) => new() { Height = height, Width = width, Mean = ImageNet.Mean, Std = ImageNet.Std };

    /// <summary>What PickScore's training did (transformers' CLIPImageProcessor): short side to <paramref name="size"/>, bicubic with antialias, center crop.</summary>
    public static FramePreprocessing ForPickScore(int size) => ForClip(size) with { Fit = FrameFit.Crop, Interpolation = Interpolation.Bicubic };

    /// <summary>For <see cref="RewardContract.Resizing"/>.</summary>
    public string Describe() => $"{(Fit == FrameFit.Crop ? "short side resized and the middle cut out" : "stretched")}, {Interpolation.ToString().ToLowerInvariant()}{(Antialias ? " with antialias" : "")}";

    /// <summary>images: [N, 3, H, W] in [0, 1] -> [N, 3, Height, Width], normalized.</summary>
    public Tensor Apply(Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Clamp ? UnitRange.Clamp(images) : images;
        (long height, long width) = Fit == FrameFit.Crop ? Resize.ShortSide(x.shape[2], x.shape[3], Height) : (Height, Width);
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
