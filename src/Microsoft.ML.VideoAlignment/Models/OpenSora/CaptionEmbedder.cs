using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// The text encoder's states at the network's width (<c>y_proj</c>), and the learned text of no prompt (<c>y_embedding</c>, a buffer). Reference:
/// Open-Sora, <c>CaptionEmbedder</c>.
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

    /// <summary>The text of no prompt, before the projection: [L, E], the module's own.</summary>
    public Tensor NullText => get_buffer("y_embedding")!;

    /// <summary>caption: [..., L, E] -> [..., L, D].</summary>
    public override Tensor forward(Tensor caption) => _projection.forward(caption);

    /// <summary>caption: [B, 1, L, E]; rows whose entry in <paramref name="drop"/> [B] is 1 become the text of no prompt -> [B, 1, L, E].</summary>
    public Tensor Dropped(Tensor caption, Tensor drop)
    {
        using DisposeScope scope = NewDisposeScope();
        return where(drop.EqualTo(1).view(-1, 1, 1, 1), NullText.to_type(caption.dtype), caption).MoveToOuterDisposeScope();
    }
}
