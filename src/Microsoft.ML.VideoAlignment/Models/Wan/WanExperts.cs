using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>The two transformers of Wan 2.2 A14B as one network, under the names of their folders: one for high noise, one for low noise.</summary>
internal sealed class WanExperts : nn.Module
{
    [ComponentName(Name = "transformer")]
    public readonly WanTransformer HighNoise;

    [ComponentName(Name = "transformer_2")]
    public readonly WanTransformer LowNoise;

    /// <summary>Joins the experts.</summary>
    /// <param name="highNoise">The expert of the first steps; it belongs to this.</param>
    /// <param name="lowNoise">The expert of the last steps; it belongs to this.</param>
    public WanExperts(WanTransformer highNoise, WanTransformer lowNoise)
        : base(nameof(WanExperts))
    {
        (HighNoise, LowNoise) = (highNoise, lowNoise);
        RegisterComponents();
    }
}
