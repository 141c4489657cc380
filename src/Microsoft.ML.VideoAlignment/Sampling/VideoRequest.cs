namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>
/// What one video is made from.
/// </summary>
/// <param name="Text">The prompt.</param>
/// <param name="Image">Makes the image of image to video, a tensor [3, H, W], RGB in [0, 1], that the caller owns; null: there is none.</param>
internal sealed record VideoPrompt(string Text, Func<Tensor>? Image = null)
{
    /// <summary>Images that the text itself names, in its order; where there are any, there is no <see cref="Image"/>.</summary>
    public IReadOnlyList<Func<Tensor>> NamedImages { get; init; } = [];

    /// <summary>All images.</summary>
    public IReadOnlyList<Func<Tensor>> Images => Image is null ? NamedImages : [Image];

    /// <summary>The text alone.</summary>
    public VideoPrompt WithoutImages => this with { Image = null, NamedImages = [] };

    /// <summary>Makes a prompt of a text alone.</summary>
    /// <param name="text">The text.</param>
    public static implicit operator VideoPrompt(string text) => new(text);
}

/// <summary>What a batch of videos is made from, before any network has seen it.</summary>
internal sealed record VideoRequest
{
    /// <summary>B texts.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>What guidance leads away from.</summary>
    public string NegativePrompt { get; init; } = "";

    /// <summary>The size of a segment.</summary>
    public required VideoSize Size { get; init; }

    /// <summary>
    /// [B, 3, H, W], RGB in [0, 1]: what the segment begins with, the image of models that require one or a video's frame handed on; null: there is none.
    /// </summary>
    public Tensor? Images { get; init; }

    /// <summary>For models that may read images, those of each row, as in <see cref="VideoPrompt.Images"/>; empty: no row has any.</summary>
    public IReadOnlyList<IReadOnlyList<Func<Tensor>>> References { get; init; } = [];

    /// <summary>Which segment of the video this is, from 0.</summary>
    public int Segment { get; init; }

    /// <inheritdoc cref="SamplingSettings.SegmentCount"/>
    public int Segments { get; init; } = 1;

    /// <summary>Frames a second that the network is told.</summary>
    public double FramesPerSecond { get; init; }

    /// <summary>How much motion the network is asked for (Stable Video Diffusion: 1 to 255).</summary>
    public double MotionBucketId { get; init; }

    /// <summary>Standard deviation of the noise that is added to the image.</summary>
    public double NoiseAugmentation { get; init; }

    /// <summary>Standard normal noise of a shape [B, ...], for models that need some to make their condition.</summary>
    public required Func<IReadOnlyList<long>, Tensor> Noise { get; init; }
}
