using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// The states of an image that Wan 2.1 reads beside the text: those of CLIP's image encoder before its last layer, not normalized, the class token first.
/// Reference: diffusers, <c>WanImageToVideoPipeline.encode_image</c>.
/// </summary>
/// <param name="network">CLIP's image encoder (published: ViT-H/14); it belongs to this.</param>
/// <param name="processor">How images are prepared.</param>
internal sealed class WanImageEncoder(ClipVisionEncoder network, ClipImageProcessor processor) : IDisposable
{
    /// <summary>The image encoder.</summary>
    public ClipVisionEncoder Network => network;

    /// <summary>How images are prepared.</summary>
    public ClipImageProcessor Processor => processor;

    /// <summary>Rows of an image's states.</summary>
    public long Tokens { get; } = 1 + ((network.Config.ImageSize / network.Config.PatchSize) * (network.Config.ImageSize / network.Config.PatchSize));

    /// <summary>Encodes images; carries gradient.</summary>
    /// <param name="pixels">[B, 3, S, S], prepared.</param>
    /// <returns>[B, n, E].</returns>
    public Tensor Encode(Tensor pixels)
    {
        using DisposeScope scope = NewDisposeScope();
        return network.Encode(pixels, keepHiddenStates: true).HiddenStates[^2].MoveToOuterDisposeScope();
    }

    public void Dispose() => network.Dispose();
}
