namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>The activations that CLIP configurations name in hidden_act. They differ by up to 1e-2, so a name that is not known is an error.</summary>
internal static class ClipActivation
{
    private const double QuickGeluSlope = 1.702;

    /// <exception cref="InvalidDataException">No such activation.</exception>
    public static Func<Tensor, Tensor> Named(string hiddenAct) => hiddenAct switch
    {
        "gelu" => x => nn.functional.gelu(x),
        "quick_gelu" => QuickGelu,
        _ => throw new InvalidDataException($"hidden_act: expected 'quick_gelu' or 'gelu', got '{hiddenAct}'. Is this config.json a CLIP model's?"),
    };

    /// <summary>x sigmoid(1.702 x), written as silu(1.702 x) / 1.702: the same function, one tensor fewer to keep for the gradient.</summary>
    private static Tensor QuickGelu(Tensor x)
    {
        using Tensor steep = x * QuickGeluSlope;
        using Tensor gate = nn.functional.silu(steep);
        return gate / QuickGeluSlope;
    }
}
