using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>torch.nn.Embedding: key <c>weight</c> [count, D].</summary>
internal sealed class Embedding : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    public Embedding(long count, long features, Placement placement)
        : base(nameof(Embedding))
    {
        _weight = placement.Parameter(count, features);
        RegisterComponents();
    }

    public Parameter Weight => _weight;

    /// <summary>Looks rows up.</summary>
    /// <param name="ids">int64 [...].</param>
    /// <returns>[..., D].</returns>
    public override Tensor forward(Tensor ids)
    {
        using Tensor flat = ids.flatten();
        using Tensor rows = _weight.index_select(0, flat);
        return rows.reshape([.. ids.shape, _weight.shape[1]]);
    }
}
