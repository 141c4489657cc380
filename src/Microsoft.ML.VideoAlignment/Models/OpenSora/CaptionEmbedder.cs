using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Projects the text encoder's states to the network's width (<c>y_proj</c>), and holds the learned text of no prompt (<c>y_embedding</c>, a buffer).
/// Reference: Open-Sora, <c>CaptionEmbedder</c>.
/// </summary>
internal sealed class CaptionEmbedder : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "y_embedding")]
    private readonly Tensor _nullText;

    [ComponentName(Name = "y_proj")]
    private readonly GeluMlp _projection;

    public CaptionEmbedder(long captionWidth, long width, long tokens, Placement placement)
        : base(nameof(CaptionEmbedder))
    {
        _nullText = placement.Buffer(tokens, captionWidth);
        _projection = new GeluMlp(captionWidth, width, width, placement);
        RegisterComponents();
    }

    /// <summary>The text of no prompt, before the projection: [L, E], owned by the module.</summary>
    public Tensor NullText => get_buffer("y_embedding")!;

    /// <summary>Projects states.</summary>
    /// <param name="caption">[..., L, E].</param>
    /// <returns>[..., L, D].</returns>
    public override Tensor forward(Tensor caption) => _projection.forward(caption);

    /// <summary>Replaces rows by the text of no prompt.</summary>
    /// <param name="caption">[B, 1, L, E].</param>
    /// <param name="drop">[B], 1 = replace.</param>
    /// <returns>[B, 1, L, E].</returns>
    public Tensor DropCaptions(Tensor caption, Tensor drop)
    {
        using DisposeScope scope = NewDisposeScope();
        return where(drop.EqualTo(1).view(-1, 1, 1, 1), NullText.to_type(caption.dtype), caption).MoveToOuterDisposeScope();
    }
}
