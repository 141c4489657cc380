using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>What a network is given of the states of a T5 that attends to all rows, padding too: zeros beyond the text (Wan).</summary>
internal static class T5States
{
    /// <summary>Replaces the states of padding by zeros, and appends rows of zeros. Differentiable in the states.</summary>
    /// <param name="states">The encoder's states [B, L, D].</param>
    /// <param name="attentionMask">[B, L], 0 on padding.</param>
    /// <param name="rows">The rows of the result, at least L.</param>
    /// <returns>A fresh tensor [B, rows, D].</returns>
    /// <exception cref="ArgumentOutOfRangeException">There are more states than rows.</exception>
    public static Tensor ZeroPadding(Tensor states, Tensor attentionMask, long rows)
    {
        (long batch, long length) = (states.shape[0], states.shape[1]);
        Shapes.Require(attentionMask, $"{batch}, {length}");
        if (rows < length)
        {
            throw new ArgumentOutOfRangeException(nameof(rows), rows, $"The text encoder gave {length} states a text; expected at least as many rows.");
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor text = where(attentionMask.NotEqualTo(0).unsqueeze(-1), states, zeros_like(states));
        return nn.functional.pad(text, [0, 0, 0, rows - length]).MoveToOuterDisposeScope();
    }

    /// <summary>Appends padding to a mask.</summary>
    /// <param name="attentionMask">[B, L], 0 on padding.</param>
    /// <param name="rows">The columns of the result, at least L.</param>
    /// <returns>A fresh tensor [B, rows].</returns>
    public static Tensor PadMask(Tensor attentionMask, long rows) => nn.functional.pad(attentionMask, [0, rows - attentionMask.shape[1]]);
}
