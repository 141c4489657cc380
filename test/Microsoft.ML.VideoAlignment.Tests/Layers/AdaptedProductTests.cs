using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Conv2d = Microsoft.ML.VideoAlignment.Layers.Conv2d;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;
using Module = TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;

namespace Microsoft.ML.VideoAlignment.Tests;

public partial class AdaptedProductTests
{
    private static readonly Type[] s_layers =
        [.. typeof(IAdaptable).Assembly.GetTypes().Where(type => type.IsClass && type.IsAssignableTo(typeof(IAdaptable)))];

    private static readonly TestCaseData[] s_cases =
    [
        Case("Linear", () => new Linear(64, 64, Placement.Cpu), [2, 5, 64]),
        Case("Conv2d", () => new Conv2d(32, 32, 3, Placement.Cpu, stride: 2, padding: 1), [2, 32, 6, 6]),
        Case("Conv2d without bias", () => new Conv2d(32, 32, 3, Placement.Cpu, bias: false), [2, 32, 6, 6]),
        Case("TemporalConv3d", () => new TemporalConv3d(32, 32, 3, Placement.Cpu), [2, 32, 4, 9]),
        Case("TubeletProjection", () => new TubeletProjection(8, 64, 2, 4, Placement.Cpu), [2, 8, 4, 8, 8]),
    ];

    [GeneratedRegex(@"\bEffectiveWeight\b|\b[aA]dapter\s*[!?]?\s*\.\s*(Down|Up)\b")]
    private static partial Regex Factors();

    [Test]
    public void EveryLayerWithASlotHasOneAdaptedProduct()
    {
        const BindingFlags Any = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
        Assert.That(s_layers, Has.Length.AtLeast(4));
        Assert.That(s_layers.Where(layer => layer.GetFields(Any).Count(field => field.FieldType == typeof(AdaptedProduct)) != 1), Is.Empty);
        Assert.That(s_cases.Select(testCase => ((Func<Module>)testCase.Arguments[0]!)().GetType()).Distinct(), Is.EquivalentTo(s_layers), "test each of them");
    }

    [TestCase("Layers")]
    [TestCase("Models")]
    [TestCase("Encoders")]
    [TestCase("Rewards")]
    public void NoLayerMultipliesWithFactorsItself(string room)
    {
        const string Library = "src/Microsoft.ML.VideoAlignment/";
        IEnumerable<string> found = Repository.Files(Library + room, "*.cs")
            .Where(path => Factors().IsMatch(CSharpTokens.Code(Repository.Read(path)))).Select(path => path[Library.Length..]);
        Assert.That(found, Is.SubsetOf(new[] { "Layers/AdaptedProduct.cs", "Layers/AdapterSlot.cs" }), "run the layer through AdaptedProduct");
    }

    [TestCase("Tensor low = Ops.Linear(x, adapter.Down.to_type(x.dtype));", true)]
    [TestCase("Tensor w = Slot.EffectiveWeight(Frozen, x.dtype);", true)]
    [TestCase("Tensor y = s_product.Run(this, x);", false)]
    public void AProductIsReadFromCode(string line, bool found) => Assert.That(Factors().IsMatch(CSharpTokens.Code(line)), Is.EqualTo(found));

    /// <summary>Beside the weight the adapter gives what it gives within it, and its factors get the same gradient.</summary>
    [TestCaseSource(nameof(s_cases))]
    public void BesideTheWeightIsAsWithinIt(Func<Module> make, long[] input)
    {
        using DisposeScope scope = NewDisposeScope();
        Module layer = Ramp.Fill(make());
        var adaptable = (IAdaptable)layer;
        long[] kernel = adaptable.Weight.shape;
        LowRankAdapter adapter = new(
            nn.Parameter(Ramp.Values(2, [1, .. kernel[1..]])), nn.Parameter(Ramp.Values(3, [kernel[0], 1, .. kernel[2..].Select(_ => 1L)])), 0.5);
        adaptable.Slot.Adapter = adapter;
        Assert.That(adaptable.Slot.UnmergedAdapter(adaptable.Weight), Is.SameAs(adapter), "the adapter must run beside the weight");
        Tensor x = Ramp.Values(1, input);
        Tensor beside = layer.forward(x);
        beside.square().sum().backward();

        adaptable.Slot.Merge(adaptable.Frozen);
        Tensor within = layer.forward(x);
        adaptable.Slot.Unmerge();
        adaptable.Slot.Enabled = false;
        Tensor without = layer.forward(x);
        Assert.That(GroupNormKernelTests.Distance(beside.detach(), within.detach()), Is.LessThan(1e-5));
        Assert.That(GroupNormKernelTests.Distance(without.detach(), within.detach()), Is.GreaterThan(1e-3));
        Assert.That(adapter.Down.grad!.count_nonzero().ToInt64(), Is.GreaterThan(0));
        Assert.That(adapter.Up.grad!.count_nonzero().ToInt64(), Is.GreaterThan(0));
    }

    [TestCase(8, true)]
    [TestCase(64, false)]
    public void AScaledOutputIsTheOutputScaled(int width, bool folds)
    {
        using DisposeScope scope = NewDisposeScope();
        var layer = Ramp.Fill(new Linear(width, width, Placement.Cpu));
        layer.Slot.Adapter = new LowRankAdapter(nn.Parameter(Ramp.Values(2, 4, width)), nn.Parameter(Ramp.Values(3, width, 4)), 0.5);
        Assert.That(layer.Slot.UnmergedAdapter(layer.Weight) is null, Is.EqualTo(folds));
        Tensor x = Ramp.Values(1, 5, width);
        Assert.That(GroupNormKernelTests.Distance(layer.ForwardScaled(x, 0.25).detach(), layer.forward(x).detach() * 0.25), Is.LessThan(1e-5));
    }

    private static TestCaseData Case(string name, Func<Module> make, long[] input) =>
        new TestCaseData(make, input).SetName($"{nameof(BesideTheWeightIsAsWithinIt)}({name})");
}
