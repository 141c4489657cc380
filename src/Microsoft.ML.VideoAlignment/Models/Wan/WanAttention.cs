using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// Attention whose queries and keys pass a root-mean-square norm over all heads together; to the video itself with rotary positions, or to the text and, where
/// the layer has keys and values for it, to the image. Reference: diffusers, <c>WanAttention</c>.
/// </summary>
/// <remarks>
/// Keys <c>to_q</c>, <c>to_k</c>, <c>to_v</c>, <c>to_out.0</c>, <c>norm_q</c>, <c>norm_k</c>; for the image <c>add_k_proj</c>, <c>add_v_proj</c>,
/// <c>norm_added_k</c>.
/// </remarks>
internal sealed class WanAttention : nn.Module
{
    [ComponentName(Name = "to_q")]
    private readonly Linear _toQ;

    [ComponentName(Name = "to_k")]
    private readonly Linear _toK;

    [ComponentName(Name = "to_v")]
    private readonly Linear _toV;

    [ComponentName(Name = "to_out")]
    private readonly TorchSharp.Modules.ModuleList<Linear> _toOut;

    [ComponentName(Name = "norm_q")]
    private readonly RmsNorm _normQ;

    [ComponentName(Name = "norm_k")]
    private readonly RmsNorm _normK;

    [ComponentName(Name = "add_k_proj")]
    private readonly Linear? _imageK;

    [ComponentName(Name = "add_v_proj")]
    private readonly Linear? _imageV;

    [ComponentName(Name = "norm_added_k")]
    private readonly RmsNorm? _normImageK;

    private readonly long[] _split;

    /// <summary>Makes the layer.</summary>
    /// <param name="config">The network's configuration.</param>
    /// <param name="seesImage">Whether it has keys and values for the image.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public WanAttention(WanTransformerConfig config, bool seesImage, Placement placement)
        : base(nameof(WanAttention))
    {
        long width = config.Width;
        _toQ = new Linear(width, width, placement);
        _toK = new Linear(width, width, placement);
        _toV = new Linear(width, width, placement);
        _toOut = nn.ModuleList(new Linear(width, width, placement));
        _normQ = new RmsNorm(width, config.Eps, placement);
        _normK = new RmsNorm(width, config.Eps, placement);
        _imageK = seesImage ? new Linear(width, width, placement) : null;
        _imageV = seesImage ? new Linear(width, width, placement) : null;
        _normImageK = seesImage ? new RmsNorm(width, config.Eps, placement) : null;
        _split = [config.Heads, config.HeadSize];
        RegisterComponents();
    }

    /// <summary>Attends from every token to all of its video.</summary>
    /// <param name="x">[B, N, D].</param>
    /// <param name="rotations">Complex [N, d / 2], see <see cref="WanRotaryPositions"/>.</param>
    /// <returns>[B, N, D].</returns>
    public Tensor AttendToSelf(Tensor x, Tensor rotations)
    {
        using DisposeScope scope = NewDisposeScope();
        RecordUse(x.shape[1] > 1, _toQ, _toK);
        Tensor q = RotaryPositions.Rotate(Split(_normQ.forward(_toQ.forward(x))), rotations);
        Tensor k = RotaryPositions.Rotate(Split(_normK.forward(_toK.forward(x))), rotations);
        return _toOut[0].forward(Attend(q, k, Split(_toV.forward(x)))).MoveToOuterDisposeScope();
    }

    /// <summary>Attends to every row of the text, zero rows included, and apart from it to the image.</summary>
    /// <param name="x">[B, N, D].</param>
    /// <param name="text">[B, L, D].</param>
    /// <param name="image">[B, n, D]; null where the layer has no keys and values for it.</param>
    /// <returns>[B, N, D].</returns>
    public Tensor AttendToContext(Tensor x, Tensor text, Tensor? image)
    {
        using DisposeScope scope = NewDisposeScope();
        RecordUse(text.shape[1] > 1 || image?.shape[1] > 1, _toQ);
        RecordUse(text.shape[1] > 1, _toK);
        Tensor q = Split(_normQ.forward(_toQ.forward(x)));
        Tensor y = Attend(q, Split(_normK.forward(_toK.forward(text))), Split(_toV.forward(text)));
        if (image is not null)
        {
            RecordUse(image.shape[1] > 1, _imageK!);
            y = Ops.Add(y, Attend(q, Split(_normImageK!.forward(_imageK!.forward(image))), Split(_imageV!.forward(image))));
        }

        return _toOut[0].forward(y).MoveToOuterDisposeScope();
    }

    // Over one key the softmax is 1 whatever queries and keys are.
    private static void RecordUse(bool matters, params ReadOnlySpan<Linear> layers)
    {
        foreach (Linear layer in layers)
        {
            layer.Slot.RecordUse(matters);
        }
    }

    // [B, L, D] -> [B, L, h, d].
    private Tensor Split(Tensor x) => x.unflatten(2, _split);

    // [B, L, h, d] each -> [B, L, D].
    private static Tensor Attend(Tensor q, Tensor k, Tensor v) => Attention.Attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2));
}
