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

    // Weights stored smaller than the computing type are cast where they are used, and a graph would keep every cast copy until the backward pass: more memory
    // than the smaller weights save. Such layers run again in the backward pass instead.
    private readonly bool _storedSmaller;

    public ClipTransformer(EncoderShape shape, long layers, Placement placement)
        : base(nameof(ClipTransformer))
    {
        _layers = nn.ModuleList([.. Enumerable.Range(0, checked((int)layers)).Select(_ => new EncoderLayer(shape, placement))]);
        _storedSmaller = Placement.ComputeDtype(placement.Dtype) != placement.Dtype;
        RegisterComponents();
    }

    public int Depth => _layers.Count;

    /// <summary>Runs the first layers.</summary>
    /// <param name="x">[B, L, D].</param>
    /// <param name="mask">Boolean [B, 1, L, L], true where a query may attend; null: everywhere, or only to the left if <paramref name="causal"/>.</param>
    /// <param name="causal">Whether a query attends only to the left; for a null mask.</param>
    /// <param name="depth">The number of layers to run.</param>
    /// <param name="hiddenStates">Receives the inputs of layers 1 and up (the reference's hidden_states without its first and last entries), which it owns;
    /// null: none.</param>
    /// <returns>[B, L, D], the output of layer <paramref name="depth"/> - 1, a fresh tensor.</returns>
    public Tensor Run(Tensor x, Tensor? mask, bool causal, int depth, List<Tensor>? hiddenStates = null)
    {
        Tensor state = x.alias();
        for (int layer = 0; layer < depth; layer++)
        {
            EncoderLayer block = _layers[layer];
            Tensor next = _storedSmaller && state.requires_grad
                ? Recompute.Run(ActivationMemory.Recompute, inputs => block.Forward(inputs[0], mask, causal), state)
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
