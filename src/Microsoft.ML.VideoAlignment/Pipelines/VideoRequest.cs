namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>
/// What one video is made from: a text, and for image to video what makes the picture, a tensor [3, H, W], RGB in [0, 1], that the caller owns.
/// </summary>
internal sealed record VideoPrompt(string Text, Func<Tensor>? Image = null)
{
    public static implicit operator VideoPrompt(string text) => new(text);
}

/// <summary>What a batch of videos is made from, before any network has seen it.</summary>
internal sealed record VideoRequest
{
    /// <summary>B texts.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>What guidance leads away from.</summary>
    public string NegativePrompt { get; init; } = "";

    public required VideoSize Size { get; init; }

    /// <summary>[B, 3, H, W], RGB in [0, 1]; null for models that read none.</summary>
    public Tensor? Images { get; init; }

    /// <summary>Frames a second that the network is told.</summary>
    public double FramesPerSecond { get; init; }

    /// <summary>How much motion the network is asked for (Stable Video Diffusion: 1 to 255).</summary>
    public double MotionBucketId { get; init; }

    /// <summary>Standard deviation of the noise that is added to the image.</summary>
    public double NoiseAugmentation { get; init; }

    /// <summary>Standard normal noise of a shape [B, ...], for models that need some to make their condition.</summary>
    public required Func<IReadOnlyList<long>, Tensor> Noise { get; init; }
}
