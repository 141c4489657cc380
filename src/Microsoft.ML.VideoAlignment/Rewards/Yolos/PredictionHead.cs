using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Modules;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Rewards.Yolos;

/// <summary>Three linear layers with ReLU between: DETR's and YOLOS's heads. Keys layers.0, layers.1, layers.2.</summary>
internal sealed class PredictionHead : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "layers")]
    private readonly ModuleList<Linear> _layers;

    public PredictionHead(long width, long outputs, Placement placement)
        : base(nameof(PredictionHead))
    {
        _layers = nn.ModuleList(new Linear(width, width, placement), new Linear(width, width, placement), new Linear(width, outputs, placement));
        RegisterComponents();
    }

    /// <summary>Runs the layers.</summary>
    /// <param name="x">[..., D].</param>
    /// <returns>[..., outputs].</returns>
    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = Rectified(_layers[1].call(Rectified(_layers[0].call(x))));
        return _layers[2].call(hidden).MoveToOuterDisposeScope();

        static Tensor Rectified(Tensor x) => MetaOps.IsMeta(x) ? MetaOps.Pointwise(x) : x.relu();
    }
}
