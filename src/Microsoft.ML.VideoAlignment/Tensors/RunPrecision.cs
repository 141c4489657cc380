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
    public bool NeedsLossScale => Array.Exists(Enum.GetValues<NetworkRole>(), IsFloat16);

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

    /// <summary>Whether a part computes in float16.</summary>
    /// <param name="role">The part.</param>
    public bool IsFloat16(NetworkRole role) => TypeOf(role) == ScalarType.Float16;

    /// <summary>Says which parts may have left float16's range, and what to set instead.</summary>
    /// <param name="roles">The parts to look at.</param>
    /// <returns>A space and a sentence; empty where none of the parts computes in float16.</returns>
    public string AdviseAgainstOverflow(params IEnumerable<NetworkRole> roles)
    {
        string[] options = [.. roles.Where(IsFloat16).Select(Option)];
        return options.Length == 0 ? ""
            : $" {string.Join(", ", options)}: {nameof(ComputePrecision.Float16)} holds no number beyond 65,504; set {nameof(ComputePrecision)}."
                + $"{nameof(ComputePrecision.BFloat16)}, whose range is that of float32.";
    }

    /// <summary>Formats the precision as "BFloat16", or as "BFloat16, decoder Float32" where parts differ from the denoiser.</summary>
    public override string ToString() => $"{Denoiser}{Unlike(Decoder, "decoder")}{Unlike(Reward, "reward")}";

    private string Unlike(ComputePrecision part, string name) => part == Denoiser ? "" : $", {name} {part}";

    private static string Option(NetworkRole role) => role switch
    {
        NetworkRole.Denoiser => "Memory.Precision",
        NetworkRole.Decoder => "Memory.DecoderPrecision",
        _ => "Memory.RewardPrecision",
    };
}
