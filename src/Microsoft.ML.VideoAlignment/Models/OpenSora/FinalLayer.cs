using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Modulated norm and <c>linear</c> to the values of a patch; its input is the embedded time itself, not the blocks' projection of it. Reference: Open-Sora,
/// <c>T2IFinalLayer</c>.
/// </summary>
internal sealed class FinalLayer : nn.Module
{
    [ComponentName(Name = "scale_shift_table")]
    private readonly Parameter _table;

    [ComponentName(Name = "linear")]
    private readonly Linear _linear;

    public FinalLayer(long width, long patchValues, Placement placement)
        : base(nameof(FinalLayer))
    {
        _table = placement.Parameter(2, width);
        _linear = new Linear(width, patchValues, placement);
        RegisterComponents();
    }

    /// <summary>Computes the values of the patches.</summary>
    /// <remarks>
    /// Where a frame is given, the reference normalizes and modulates with time 0 what it has already normalized and modulated with the present time. Weights
    /// were trained that way, so this code does the same.
    /// </remarks>
    /// <param name="x">[B, T, S, C].</param>
    /// <param name="now">The embedded time, [R, C].</param>
    /// <param name="clean">The embedded time 0, [R, C]; null: no frame is given.</param>
    /// <param name="generated">[B, T]; see <see cref="Modulation.SelectPerFrame"/>.</param>
    /// <returns>[B, T, S, values of a patch].</returns>
    public Tensor Forward(Tensor x, Tensor now, Tensor? clean, Tensor? generated)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor y = Modulated(x, now);
        if (clean is not null && generated is not null)
        {
            y = where(generated.NotEqualTo(0).unsqueeze(-1).unsqueeze(-1), y, Modulated(y, clean));
        }

        return _linear.forward(y).MoveToOuterDisposeScope();
    }

    private Tensor Modulated(Tensor x, Tensor time)
    {
        Tensor[] rows = Modulation.SplitRows(_table, time.unsqueeze(1)); // shift, scale
        return Modulation.Normalize(x, rows[0], rows[1]);
    }
}
