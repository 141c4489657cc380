using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Tests;

public class AdapterSlotTests
{
    /// <summary>Rank 4 folds into 8 x 8 and runs beside 64 x 64; both give the formula's output and gradient.</summary>
    [TestCase(8, true)]
    [TestCase(64, false)]
    public void FoldedOrBesideIsTheSameFormula(int width, bool folds)
    {
        using DisposeScope scope = NewDisposeScope();
        var layer = Ramp.Fill(new Linear(width, width, Placement.Cpu));
        Tensor x = Ramp.Values(1, 5, width), down = Ramp.Values(2, 4, width), up = Ramp.Values(3, width, 4);
        layer.Slot.Adapter = new LowRankAdapter(nn.Parameter(down.clone()), nn.Parameter(up.clone()), 0.5);
        Assert.That(layer.Slot.Adapter.IsCheaperMaterialized(layer.Weight), Is.EqualTo(folds));
        Tensor y = layer.forward(x);
        y.pow(2).sum().backward();

        Tensor[] expected = GroupNormKernelTests.Gradients(
            [down.to_type(ScalarType.Float64), up.to_type(ScalarType.Float64)],
            leaves =>
            {
                Tensor z = nn.functional.linear(x.to_type(ScalarType.Float64), layer.Weight.to_type(ScalarType.Float64),
                    layer.state_dict()["bias"].to_type(ScalarType.Float64));
                z += x.to_type(ScalarType.Float64).matmul(leaves[0].t()).matmul(leaves[1].t()) * 0.5;
                return z.pow(2);
            },
            ones(1, dtype: ScalarType.Float64));
        Assert.That(GroupNormKernelTests.Distance(y.detach().pow(2), expected[0]), Is.LessThan(2e-6));
        Assert.That(GroupNormKernelTests.Distance(layer.Slot.Adapter.Down.grad!, expected[1]), Is.LessThan(2e-6));
        Assert.That(GroupNormKernelTests.Distance(layer.Slot.Adapter.Up.grad!, expected[2]), Is.LessThan(2e-6));
        Assert.That(layer.Weight.grad, Is.Null);
    }
}
