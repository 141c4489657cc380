using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Attention of more rows and heads than a kernel's grid takes is cut into parts, and is the same.</summary>
public class OpsAttentionTests
{
    [TestCase(null)]
    [TestCase("rows")]
    [TestCase("one for all")]
    [TestCase("boolean")]
    [TestCase("causal")]
    public void PartsHaveTheNumbersAndGradientsOfTheWhole(string? mask)
    {
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(3);
        Tensor[] given = [.. Enumerable.Range(0, 3).Select(_ => randn([5, 2, 4, 8], generator: generator))];
        Tensor? added = mask switch
        {
            "rows" => randn([5, 1, 4, 4], generator: generator),
            "one for all" => randn([1, 1, 4, 4], generator: generator),
            "boolean" => ones([5, 1, 4, 4], dtype: ScalarType.Bool).tril(),
            _ => null,
        };
        Tensor weights = randn([5, 2, 4, 8], generator: generator);
        (Tensor Y, Tensor[] Gradients) whole = Run(largestGrid: null);
        foreach (long largest in (long[])[1, 2, 4, 5, 9])
        {
            (Tensor y, Tensor[] gradients) = Run(largest);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(y.Equals(whole.Y), $"{largest}");
                Assert.That(gradients.Zip(whole.Gradients).All(pair => pair.First.Equals(pair.Second)), $"{largest}");
            }
        }

        (Tensor, Tensor[]) Run(long? largestGrid)
        {
            Tensor[] leaves = [.. given.Select(tensor => tensor.detach().clone().requires_grad_(true))];
            Tensor y = Ops.Attention(leaves[0], leaves[1], leaves[2], added, mask == "causal", largestGrid);
            (y * weights).sum().backward();
            return (y.detach(), [.. leaves.Select(leaf => leaf.grad!)]);
        }
    }

    /// <summary>Stable Video Diffusion over time, 576 x 1024 with both branches of the guidance: 18,432 rows of 5 heads.</summary>
    [TestCase(DeviceType.CUDA, new long[] { 13_107, 5_325 })]
    [TestCase(DeviceType.CPU, new long[] { 18_432 })]
    public void ADeviceWithAGridGetsPartsThatFitIt(DeviceType device, long[] rows)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable context = RunContext.Begin(device);
        var kernels = new Kernels();
        using IDisposable? observation = RunContext.Observe(kernels);
        Tensor q = empty([2 * 72 * 128, 5, 14, 64], device: META).requires_grad_(true);
        Tensor y = Ops.Attention(q, q, q);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(kernels.Rows, Is.EqualTo(rows));
            Assert.That(kernels.Rows.Select(each => each * 5), device == DeviceType.CUDA ? Is.All.LessThanOrEqualTo(65_535) : Is.All.Positive);
            Assert.That(y.shape, Is.EqualTo(q.shape));
        }
    }

    private sealed class Kernels : IRunObserver
    {
        public List<long> Rows { get; } = [];

        bool IRunObserver.ObservesOps => true;

        public void OpDone(in OpRecord op)
        {
            if (op.Kind == OpKind.FusedAttention)
            {
                Rows.Add(op.Result.shape[0]);
            }
        }
    }
}
