namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>A part of a run with a precision of its own.</summary>
internal enum NetworkRole
{
    /// <summary>The network that is sampled with.</summary>
    Denoiser,

    /// <summary>Latents to frames.</summary>
    Decoder,

    /// <summary>Images to what a reward's own head reads.</summary>
    Reward,
}

/// <summary>What each part of a run computes in.</summary>
/// <param name="Denoiser">The denoiser.</param>
/// <param name="Decoder">The decoder.</param>
/// <param name="Reward">The reward's large networks; its preprocessing and its heads are float32.</param>
/// <remarks>What encodes texts and images runs once a video, in float32.</remarks>
internal sealed record RunPrecision(ComputePrecision Denoiser, ComputePrecision Decoder, ComputePrecision Reward)
{
    /// <summary>float32 everywhere.</summary>
    public static RunPrecision Float32 { get; } = new(ComputePrecision.Float32, ComputePrecision.Float32, ComputePrecision.Float32);

    /// <summary>Whether some part computes in float16, so that small gradients need a scaled loss.</summary>
    public bool NeedsLossScale => new[] { Denoiser, Decoder, Reward }.Contains(ComputePrecision.Float16);

    /// <summary>What a part computes in.</summary>
    /// <param name="role">The part.</param>
    /// <returns>A half type; null for float32, where each operation computes in the type of its input.</returns>
    public ScalarType? TypeOf(NetworkRole role) => (role switch
    {
        NetworkRole.Denoiser => Denoiser,
        NetworkRole.Decoder => Decoder,
        _ => Reward,
    }) switch
    {
        ComputePrecision.BFloat16 => ScalarType.BFloat16,
        ComputePrecision.Float16 => ScalarType.Float16,
        _ => null,
    };
}
