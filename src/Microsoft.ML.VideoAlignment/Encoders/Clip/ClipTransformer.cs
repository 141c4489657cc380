using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>A stack of pre-norm transformer layers. Keys <c>layers.N.*</c>.</summary>
internal sealed class ClipTransformer : nn.Module
{
    [ComponentName(Name = "layers")]
    private readonly ModuleList<EncoderLayer> _layers;

    // Weights stored smaller than what is computed in are cast where they are used, and a graph would keep every cast copy until the backward pass: more
    // memory than the smaller weights save. Such layers run again in the backward pass instead.
    private readonly bool _storedSmaller;

    public ClipTransformer(EncoderShape shape, long layers, Placement placement)
        : base(nameof(ClipTransformer))
    {
        _layers = nn.ModuleList([.. Enumerable.Range(0, checked((int)layers)).Select(_ => new EncoderLayer(shape, placement))]);
        _storedSmaller = Placement.Computing(placement.Dtype) != placement.Dtype;
        RegisterComponents();
    }

    public int Depth => _layers.Count;

    /// <summary>
    /// x: [B, L, D] -> the output of layer <paramref name="depth"/> - 1, a fresh tensor. The tensors that enter layers 1 and up are added to
    /// <paramref name="hiddenStates"/> (which then is the reference's hidden_states without its first and last entries).
    /// </summary>
    /// <remarks>
    /// <paramref name="mask"/>: boolean [B, 1, L, L], true where a query may look; null: everywhere, or to the left if <paramref name="causal"/>.
    /// </remarks>
    public Tensor Run(Tensor x, Tensor? mask, bool causal, int depth, List<Tensor>? hiddenStates = null)
    {
        Tensor state = x.alias();
        for (int layer = 0; layer < depth; layer++)
        {
            EncoderLayer block = _layers[layer];
            Tensor next = _storedSmaller && state.requires_grad
                ? Recompute.Run(inputs => block.Forward(inputs[0], mask, causal), state)
                : block.Forward(state, mask, causal);
            if (hiddenStates is null || layer == 0)
            {
                state.Dispose();
            }
            else
            {
                hiddenStates.Add(state);
            }

            state = next;
        }

        return state;
    }
}
