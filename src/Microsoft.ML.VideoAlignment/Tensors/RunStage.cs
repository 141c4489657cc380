namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>What a run is doing; <see cref="IRunObserver.Enter"/> is called as each begins.</summary>
internal enum RunStage
{
    /// <summary>Texts and images become conditions.</summary>
    Encoding,

    /// <summary>Denoising steps without gradient, adapters merged; nothing but the denoiser works.</summary>
    Sampling,

    /// <summary>A denoising step whose graph is kept.</summary>
    GradientStep,

    /// <summary>Latents become frames.</summary>
    Decoding,

    /// <summary>Frames are scored, and the loss is computed.</summary>
    Scoring,

    /// <summary>The gradient goes back through all of that.</summary>
    Backward,
}
