using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Embeds a number (a diffusion time, frames per second): cosines and sines, then Linear, SiLU, Linear under the keys <c>mlp.0</c> and <c>mlp.2</c>. Reference:
/// Open-Sora, <c>TimestepEmbedder</c> and <c>SizeEmbedder</c>.
/// </summary>
internal sealed class TimestepEmbedder : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "mlp")]
    private readonly Mlp _mlp;

    private readonly long _frequencies;

    /// <summary>Creates the embedder.</summary>
    /// <param name="width">D, the width of the vectors.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    /// <param name="frequencies">Width of the sinusoid; an odd one ends in a zero.</param>
    public TimestepEmbedder(long width, Placement placement, long frequencies = 256)
        : base(nameof(TimestepEmbedder))
    {
        _mlp = new Mlp(frequencies, width, placement);
        _frequencies = frequencies;
        RegisterComponents();
    }

    /// <summary>Embeds each number.</summary>
    /// <param name="values">[N].</param>
    /// <returns>[N, D], at least float32.</returns>
    public override Tensor forward(Tensor values)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _mlp.First.forward(Sinusoid(values, _frequencies).to_type(Placement.ComputeDtype(_mlp.First.Weight.dtype)));
        return _mlp.Second.forward(nn.functional.silu(hidden)).MoveToOuterDisposeScope();
    }

    /// <summary>Embeds rows of numbers, the vectors of a row side by side.</summary>
    /// <param name="sizes">[b] or [b, d]; b divides <paramref name="rows"/>, rows are repeated as 0, 1, .., 0, 1, ...</param>
    /// <param name="rows">Rows of the result.</param>
    /// <returns>[rows, d*D].</returns>
    public Tensor EmbedSizes(Tensor sizes, long rows)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor table = sizes.ndim == 1 ? sizes.unsqueeze(1) : sizes;
        Tensor repeated = table.repeat(rows / table.shape[0], 1); // [rows, d]
        return forward(repeated.flatten()).view(rows, -1).MoveToOuterDisposeScope();
    }

    /// <summary>The sinusoid of numbers: cosines, then sines.</summary>
    /// <param name="values">[N].</param>
    /// <param name="width">Width of the sinusoid.</param>
    /// <returns>[N, width], float32.</returns>
    public static Tensor Sinusoid(Tensor values, long width) => TimestepEmbedding.Sinusoid(values, width, cosinesFirst: true, frequencyShift: 0);

    // Holds the keys: 1 is the activation, which has no weights.
    private sealed class Mlp : nn.Module
    {
        [ComponentName(Name = "0")]
        public readonly Linear First;

        [ComponentName(Name = "2")]
        public readonly Linear Second;

        public Mlp(long frequencies, long width, Placement placement)
            : base(nameof(Mlp))
        {
            First = new Linear(frequencies, width, placement);
            Second = new Linear(width, width, placement);
            RegisterComponents();
        }
    }
}
