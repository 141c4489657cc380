using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A scalar must live until libtorch has read it, whatever other threads allocate and collect meanwhile.</summary>
public class ScalarOpsTests
{
    private const int Operations = 10_000;
    private const int AllocatingThreads = 8;
    private const int SlowEvery = 40;

    /// <summary>Each takes x = 3 in every place to what the case names.</summary>
    private static readonly IReadOnlyDictionary<string, (Func<Tensor, Tensor> Run, double Expected)> s_operations =
        new Dictionary<string, (Func<Tensor, Tensor>, double)>
        {
            ["tensor + tensor"] = (x => x.Add(x), 6),
            ["tensor + number"] = (x => x.Add(0.5), 3.5),
            ["tensor + integer"] = (x => x.Add(2), 5),
            ["tensor - number"] = (x => x.Sub(0.5), 2.5),
            ["number - tensor"] = (x => x.SubtractedFrom(1), -2),
            ["tensor * number"] = (x => x.Mul(0.5), 1.5),
            ["tensor / number"] = (x => x.Div(2), 1.5),
            ["tensor % number"] = (x => x.Remainder(2), 1),
            ["power"] = (x => x.Pow(2), 9),
            ["tensor + number * product"] = (x => x.AddProduct(x, x, 2), 21),
            ["clamp"] = (x => x.Clamp(-1.0, 1), 1),
            ["masked fill"] = (x => x.MaskedFill(x.GreaterThan(2), 7), 7),
            ["full"] = (x => ScalarOps.Full(x.shape, 2.5), 2.5),
            ["range"] = (x => ScalarOps.Range(4, ScalarType.Float32).narrow(0, 3, 1).expand(x.shape), 3),
            ["in place"] = (x => x.clone().MulInPlace(2).AddInPlace(x, 0.5).AddInPlace(1).AddProductInPlace(x, x, -1).AddQuotientInPlace(x, x, 2), 1.5),
        };

    public static IEnumerable<string> Names() => s_operations.Keys;

    [TestCaseSource(nameof(Names))]
    public void AnOperationWithANumberGivesItsValue(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (Func<Tensor, Tensor> run, double expected) = s_operations[name];
        Tensor y = run(full([5], 3.0, dtype: ScalarType.Float32));
        Assert.That(y.data<float>().ToArray(), Is.All.EqualTo((float)expected));
    }

    /// <summary>
    /// Freed native memory gives an error or another number. Operands of two types leave a collection time to come between: libtorch converts one of them
    /// before it reads the scalar. With TorchSharp's own forms in these places the test fails.
    /// </summary>
    [Test]
    public void NoScalarIsFreedDuringACallWhileOtherThreadsCollect()
    {
        using var end = new CancellationTokenSource();
        Thread[] allocating = [.. Enumerable.Range(0, AllocatingThreads)
            .Select(index => new Thread(() => Allocate(collects: index == 0, end.Token)) { IsBackground = true })];
        Array.ForEach(allocating, thread => thread.Start());
        var wrong = new HashSet<string>();
        try
        {
            using Tensor small = full([16], 3.0, dtype: ScalarType.Float32), x = full([1 << 20], 3.0, dtype: ScalarType.Float32),
                half = x.to_type(ScalarType.Float16), whole = x.to_type(ScalarType.Int64);
            (string Name, Func<Tensor> Run, double Expected)[] slow =
            [
                ("tensor + tensor", () => x.Add(half), 6),
                ("tensor + number * product", () => half.AddProduct(x, x, 0.5), 7.5),
                ("clamp", () => whole.Clamp(-2.5, 2.5), 2.5),
            ];
            for (int i = 0; i < Operations; i++)
            {
                using DisposeScope scope = NewDisposeScope();
                (string name, Func<Tensor> run, double expected) = i % SlowEvery == 0 ? slow[i / SlowEvery % slow.Length]
                    : ("small tensor + tensor", () => small.Add(small), 6);
                try
                {
                    Tensor y = run();
                    (double least, double most) = (HostRead.Number(y.min()), HostRead.Number(y.max()));
                    if (least != expected || most != expected)
                    {
                        wrong.Add($"{name} gave {least} to {most}, expected {expected}");
                    }
                }
                catch (Exception exception) when (exception is System.Runtime.InteropServices.ExternalException or InvalidOperationException)
                {
                    wrong.Add($"{name}: {exception.Message}");
                }
            }
        }
        finally
        {
            end.Cancel();
            Array.ForEach(allocating, thread => thread.Join());
        }

        Assert.That(wrong, Is.Empty);
    }

    /// <summary>Makes garbage with scalars in it, so that finalizers free native memory and others take it again.</summary>
    private static void Allocate(bool collects, CancellationToken end)
    {
        object[] kept = new object[256];
        do
        {
            for (int i = 0; i < kept.Length; i++)
            {
                Scalar scalar = (i * 1.5) + 1e9;
                kept[i] = scalar;
            }

            if (collects)
            {
                GC.Collect(0, GCCollectionMode.Forced, blocking: true);
            }
        }
        while (!end.WaitHandle.WaitOne(1));
    }
}
