using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// One vector for each distance between two frames, the same beyond the largest (Shaw et al. 2018, arXiv 1803.02155, section 3.2). Reference: lvdm,
/// <c>RelativePosition</c>.
/// </summary>
/// <remarks>Key <c>embeddings_table</c> [2 R + 1, d].</remarks>
internal sealed class RelativePositions : nn.Module
{
    [ComponentName(Name = "embeddings_table")]
    private readonly Parameter _table;

    private readonly long _reach;

    /// <summary>Makes the table.</summary>
    /// <param name="reach">R, the largest distance in frames that has its own vector.</param>
    /// <param name="width">d.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public RelativePositions(long reach, long width, Placement placement)
        : base(nameof(RelativePositions))
    {
        _table = placement.Parameter((2 * reach) + 1, width);
        _reach = reach;
        RegisterComponents();
    }

    /// <summary>Looks the vectors up: row t, column s is that of the distance s - t.</summary>
    /// <param name="frames">T.</param>
    /// <param name="dtype">Type of the result.</param>
    /// <returns>[T, T, d].</returns>
    public Tensor LookUp(long frames, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor at = ScalarOps.Range(frames, device: _table.device);
        Tensor distance = (at.unsqueeze(0) - at.unsqueeze(1)).Clamp(-_reach, _reach).Add(_reach);
        return Ops.IndexSelect(_table, 0, distance.flatten()).to_type(dtype).unflatten(0, [frames, frames]).MoveToOuterDisposeScope();
    }
}
