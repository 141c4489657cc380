using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>A layer that can carry an adapter, with its path in the network.</summary>
/// <param name="Name">Module path, such as "mid_block.attentions.0.transformer_blocks.0.attn1.to_q".</param>
/// <param name="Layer">The layer itself.</param>
internal readonly record struct AdaptableLayer(string Name, IAdaptable Layer)
{
    public IReadOnlyList<long> WeightShape => Layer.Weight.shape;

    /// <summary>Shape of the down factor: [r, in, ...kernel].</summary>
    /// <param name="rank">r, at least 1.</param>
    public long[] DownShape(long rank) => [rank, .. Layer.Weight.shape[1..]];

    /// <summary>Shape of the up factor: [out, r], or [out, r, 1, ...] for a convolution.</summary>
    /// <param name="rank">r, at least 1.</param>
    public long[] UpShape(long rank) => [Layer.Weight.shape[0], rank, .. Enumerable.Repeat(1L, (int)Layer.Weight.dim() - 2)];

    /// <summary>
    /// Lists every adaptable Linear and convolution of the network, depth first in the order of registration (TorchSharp's named_modules goes level by level).
    /// </summary>
    /// <param name="network">The network whose layers are listed.</param>
    public static IReadOnlyList<AdaptableLayer> FindAll(nn.Module network)
    {
        var layers = new List<AdaptableLayer>();
        Visit(network, "");
        return layers;

        void Visit(nn.Module module, string path)
        {
            foreach ((string name, nn.Module child) in module.named_children())
            {
                string full = path.Length == 0 ? name : $"{path}.{name}";
                if (child is IAdaptable layer)
                {
                    layers.Add(new AdaptableLayer(full, layer));
                }

                Visit(child, full);
            }
        }
    }
}
