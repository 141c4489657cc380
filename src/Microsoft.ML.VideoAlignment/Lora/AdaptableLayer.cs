using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>A layer that can carry an adapter, by its module path in the network, such as "mid_block.attentions.0.transformer_blocks.0.attn1.to_q".</summary>
internal readonly record struct AdaptableLayer(string Name, IAdaptable Layer)
{
    public IReadOnlyList<long> WeightShape => Layer.Weight.shape;

    /// <summary>Down of rank r: [r, in, ...kernel].</summary>
    public long[] DownShape(long rank) => [rank, .. Layer.Weight.shape[1..]];

    /// <summary>Up of rank r: [out, r], or [out, r, 1, ...] beside a convolution.</summary>
    public long[] UpShape(long rank) => [Layer.Weight.shape[0], rank, .. Enumerable.Repeat(1L, (int)Layer.Weight.dim() - 2)];

    /// <summary>Every Linear and convolution of ours in the network, depth first in the order of registration (TorchSharp's named_modules goes level by level).</summary>
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
