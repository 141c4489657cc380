namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>What a model is made of; <see cref="VideoDiffusionModel"/> is the facade over it.</summary>
internal sealed record ModelParts : IDisposable
{
    /// <summary>What all models of its family have in common.</summary>
    public required ModelTraits Traits { get; init; }

    /// <summary>Where the weights came from: a folder, or the name of a model without one.</summary>
    public required string Source { get; init; }

    /// <summary>Prompts and images to conditions.</summary>
    public required IConditioner Conditioner { get; init; }

    /// <summary>(x, t, condition) to a prediction.</summary>
    public required IDenoiser Denoiser { get; init; }

    /// <summary>Latents to frames.</summary>
    public required IFrameDecoder Decoder { get; init; }

    /// <summary>The schedulers that the model's files make.</summary>
    public required ISamplerFactory Samplers { get; init; }

    /// <summary>The sizes of video that the model can make.</summary>
    public required IVideoSizes Sizes { get; init; }

    /// <summary>Latent frames that are given; null: the model takes none.</summary>
    public IFrameConditioning? Frames { get; init; }

    /// <summary>Sampler steps, guidance scale and the like for those who name none: the publisher's.</summary>
    public required SamplingDefaults Sampling { get; init; }

    /// <summary>The device of every weight.</summary>
    public required Device Device { get; init; }

    /// <summary>Computes SHA-256 over the weights, hexadecimal; called once, when it is first asked for.</summary>
    public Func<string> Hash { get; init; } = static () => throw new InvalidOperationException("A model made of parts has no hash.");

    /// <summary>What loading left out, a sentence each.</summary>
    public IReadOnlyList<string> LoadNotes { get; init; } = [];

    /// <summary>
    /// Makes parts of the same denoiser and decoder that have shapes and no memory. Encoders are this model's own: the parts are not to be disposed and encode
    /// nothing.
    /// </summary>
    public ModelParts OnMeta() => this with { Denoiser = Denoiser.OnMeta(), Decoder = Decoder.OnMeta(), Device = META };

    /// <inheritdoc/>
    public void Dispose()
    {
        Conditioner.Dispose();
        Denoiser.Dispose();
        Decoder.Dispose();
    }
}
