using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>What V-JEPA's encoder and predictor both do with tokens.</summary>
internal static class Tokens
{
    /// <summary>x: [B, N, D], mask: int64 [B, K] -> [B, K, D].</summary>
    public static Tensor Gather(Tensor x, Tensor mask)
    {
        using Tensor places = mask.unsqueeze(-1);
        using Tensor all = places.expand(-1, -1, x.shape[2]);
        return x.gather(1, all);
    }

    /// <summary>table: [1, N, D], mask: int64 [B, K] -> its rows, [B, K, D], in the given type.</summary>
    public static Tensor Rows(Tensor table, Tensor mask, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = table.squeeze(0), places = mask.flatten();
        Tensor chosen = Ops.IndexSelect(rows, 0, places);
        return chosen.view(mask.shape[0], mask.shape[1], -1).to_type(dtype).MoveToOuterDisposeScope();
    }

    /// <summary>x: [B, L, D] through the layers; a fresh tensor.</summary>
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
