using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.VJepa;

/// <summary>What V-JEPA's encoder and predictor both do with tokens.</summary>
internal static class Tokens
{
    /// <summary>Takes the tokens of a mask.</summary>
    /// <param name="x">[B, N, D].</param>
    /// <param name="mask">int64 [B, K].</param>
    /// <returns>[B, K, D].</returns>
    public static Tensor Gather(Tensor x, Tensor mask)
    {
        using Tensor places = mask.unsqueeze(-1);
        using Tensor all = places.expand(-1, -1, x.shape[2]);
        return x.gather(1, all);
    }

    /// <summary>Takes the rows of a table.</summary>
    /// <param name="table">[1, N, D].</param>
    /// <param name="mask">int64 [B, K].</param>
    /// <param name="dtype">Element type of the result.</param>
    /// <returns>[B, K, D].</returns>
    public static Tensor Rows(Tensor table, Tensor mask, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = table.squeeze(0), places = mask.flatten();
        Tensor chosen = MetaOps.IsMeta(places) ? MetaOps.Select(rows, 0, places.shape[0]) : rows.index_select(0, places);
        return chosen.view(mask.shape[0], mask.shape[1], -1).to_type(dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Runs tokens through layers.</summary>
    /// <param name="layers">The layers, in order.</param>
    /// <param name="x">[B, L, D].</param>
    /// <param name="memory">What the layers keep for the backward pass.</param>
    /// <returns>[B, L, D], a fresh tensor.</returns>
    public static Tensor Run(IEnumerable<EncoderLayer> layers, Tensor x, ActivationMemory memory)
    {
        memory = x.requires_grad ? memory : ActivationMemory.Keep;
        Tensor state = x.alias();
        foreach (EncoderLayer layer in layers)
        {
            Tensor next = Recompute.Run(memory, inputs => layer.Forward(inputs[0]), state);
            state.Dispose();
            state = next;
        }

        return state;
    }
}
