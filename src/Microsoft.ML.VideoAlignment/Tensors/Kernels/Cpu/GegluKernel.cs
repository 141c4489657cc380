using System.Runtime.Intrinsics;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>residual + W2 (v * GELU(u)) + b2 with [v, u] = W1 x + b1, over float32 memory on the CPU, a few hundred tokens at a time.</summary>
/// <remarks>
/// The eightfold wider activations stay in cache and are never kept; the backward pass makes them again. At 18432 tokens of width 64 they are 38 MB, and
/// touching fresh memory of that size costs more than the products.
/// </remarks>
internal static unsafe class GegluKernel
{
    // Numbers of the widened activations that are alive at a time (4 MB).
    private const long ChunkNumbers = 1 << 20;

    /// <summary>Runs the feed-forward, and records its backward pass where gradients are on.</summary>
    /// <param name="x">[..., D].</param>
    /// <param name="residual">[..., D].</param>
    /// <param name="w1">[8 D, D].</param>
    /// <param name="b1">[8 D].</param>
    /// <param name="w2">[D, 4 D].</param>
    /// <param name="b2">[D].</param>
    /// <returns>[..., D].</returns>
    public static Tensor Run(Tensor x, Tensor residual, Tensor w1, Tensor b1, Tensor w2, Tensor b2)
    {
        if (is_grad_enabled() && new[] { x, residual, w1, b1, w2, b2 }.Any(tensor => tensor.requires_grad))
        {
            return CustomFunction.Run(new Operation(), x, residual, w1, b1, w2, b2);
        }

        return Forward(x, residual, w1, b1, w2, b2);
    }

    private static Tensor Forward(Tensor x, Tensor residual, Tensor w1, Tensor b1, Tensor w2, Tensor b2)
    {
        using DisposeScope scope = NewDisposeScope();
        (long width, long wide) = (x.shape[^1], w1.shape[0]);
        Tensor y = residual.Add(b2).contiguous();
        Tensor tokens = x.reshape(-1, width), sum = y.view(-1, width), bias = b1.contiguous(), w1t = w1.t(), w2t = w2.t();
        long chunk = Chunk(tokens, wide);
        Tensor h = empty([chunk, wide], device: x.device), g = empty([chunk, wide / 2], device: x.device);
        Done(tokens.numel() * (wide + (wide / 2)), y, [x, residual]);
        for (long first = 0; first < tokens.shape[0] && !MetaOps.IsMeta(x); first += chunk)
        {
            using DisposeScope step = NewDisposeScope();
            long count = Math.Min(chunk, tokens.shape[0] - first);
            Tensor hidden = h.narrow(0, 0, count), gated = g.narrow(0, 0, count);
            hidden.addmm_(tokens.narrow(0, first, count), w1t, beta: 0, alpha: 1);
            Gate(hidden, gated, bias);
            sum.narrow(0, first, count).addmm_(gated, w2t, beta: 1, alpha: 1);
        }

        return y.MoveToOuterDisposeScope();
    }

    private static Tensor?[] Backward(Tensor grad, Tensor x, Tensor w1, Tensor b1, Tensor w2, IReadOnlyList<bool> required)
    {
        (long width, long wide) = (x.shape[^1], w1.shape[0]);
        Tensor tokens = x.reshape(-1, width), dy = grad.reshape(-1, width);
        Tensor dx = empty_like(tokens);
        Tensor? dw1 = required[2] ? zeros_like(w1) : null, db1 = required[3] ? zeros_like(b1) : null, dw2 = required[4] ? zeros_like(w2) : null;
        Tensor bias = b1.contiguous();
        long chunk = Chunk(tokens, wide);
        Tensor h = empty([chunk, wide], device: x.device), g = empty([chunk, wide / 2], device: x.device);
        Done(tokens.numel() * ((2 * wide) + (wide / 2) + (required[2] ? wide : 0) + (required[4] ? wide / 2 : 0)), dx, [grad, x]);
        for (long first = 0; first < tokens.shape[0] && !MetaOps.IsMeta(x); first += chunk)
        {
            using DisposeScope step = NewDisposeScope();
            long count = Math.Min(chunk, tokens.shape[0] - first);
            Tensor part = tokens.narrow(0, first, count), slope = dy.narrow(0, first, count), hidden = h.narrow(0, 0, count), gated = g.narrow(0, 0, count);
            hidden.addmm_(part, w1.t(), beta: 0, alpha: 1);
            gated.addmm_(slope, w2, beta: 0, alpha: 1);
            Differentiate(hidden, gated, bias);
            dx.narrow(0, first, count).addmm_(hidden, w1, beta: 0, alpha: 1);
            dw1?.addmm_(hidden.t(), part, beta: 1, alpha: 1);
            db1?.AddInPlace(hidden.sum(dim: 0));
            dw2?.addmm_(slope.t(), gated, beta: 1, alpha: 1);
        }

        return
        [
            required[0] ? dx.reshape(x.shape) : null, required[1] ? grad.alias() : null, dw1, db1, dw2, required[5] ? dy.sum(dim: 0) : null,
        ];
    }

    // Called when every tensor of the pass has been made. The factors are left out: the backward pass counts its own products.
    private static void Done(long multiplyAdds, Tensor result, ReadOnlySpan<Tensor?> others)
    {
        if (RunContext.ObservesOps)
        {
            RunContext.OpDone(new OpRecord(OpKind.Product, multiplyAdds, result, [], others));
        }
    }

    private static long Chunk(Tensor tokens, long wide) => Math.Min(tokens.shape[0], Math.Max(64, ChunkNumbers / wide));

    // gated = (v + bv) * GELU(u + bu).
    private static void Gate(Tensor hidden, Tensor gated, Tensor bias)
    {
        float* h = CpuKernels.Address(hidden);
        float* g = CpuKernels.Address(gated);
        float* b = CpuKernels.Address(bias);
        (long rows, int half) = (hidden.shape[0], (int)gated.shape[1]);
        int slices = Slices(rows);
        CpuKernels.ParallelFor(slices, slice =>
        {
            for (long row = rows * slice / slices; row < rows * (slice + 1) / slices; row++)
            {
                float* v = h + (row * 2 * half);
                float* to = g + (row * half);
                float* u = v + half;
                for (int c = 0; c < half; c += CpuKernels.Width)
                {
                    int n = Math.Min(CpuKernels.Width, half - c);
                    Vector512<float> gate = Load(u + c, n) + Load(b + half + c, n);
                    Store((Load(v + c, n) + Load(b + c, n)) * gate * CpuKernels.Normal(gate).Integral, to + c, n);
                }
            }
        });
    }

    // From dL/d(gated) in gated: dL/dv and dL/du in place of v and u, the gated values in place of their slopes.
    private static void Differentiate(Tensor hidden, Tensor gated, Tensor bias)
    {
        float* h = CpuKernels.Address(hidden);
        float* g = CpuKernels.Address(gated);
        float* b = CpuKernels.Address(bias);
        (long rows, int half) = (hidden.shape[0], (int)gated.shape[1]);
        int slices = Slices(rows);
        CpuKernels.ParallelFor(slices, slice =>
        {
            for (long row = rows * slice / slices; row < rows * (slice + 1) / slices; row++)
            {
                float* v = h + (row * 2 * half);
                float* slope = g + (row * half);
                float* u = v + half;
                for (int c = 0; c < half; c += CpuKernels.Width)
                {
                    int n = Math.Min(CpuKernels.Width, half - c);
                    Vector512<float> value = Load(v + c, n) + Load(b + c, n), gate = Load(u + c, n) + Load(b + half + c, n), d = Load(slope + c, n);
                    (Vector512<float> integral, Vector512<float> density) = CpuKernels.Normal(gate);
                    Vector512<float> gelu = gate * integral;
                    Store(d * gelu, v + c, n);
                    Store(d * value * Vector512.FusedMultiplyAdd(gate, density, integral), u + c, n);
                    Store(value * gelu, slope + c, n);
                }
            }
        });
    }

    private static int Slices(long rows) => (int)Math.Min(rows, 2 * get_num_threads());

    private static Vector512<float> Load(float* at, int count)
    {
        if (count == CpuKernels.Width)
        {
            return Vector512.Load(at);
        }

        float* padded = stackalloc float[CpuKernels.Width];
        new Span<float>(at, count).CopyTo(new Span<float>(padded, CpuKernels.Width));
        return Vector512.Load(padded);
    }

    private static void Store(Vector512<float> value, float* at, int count)
    {
        if (count == CpuKernels.Width)
        {
            Vector512.Store(value, at);
            return;
        }

        float* padded = stackalloc float[CpuKernels.Width];
        Vector512.Store(value, padded);
        new Span<float>(padded, count).CopyTo(new Span<float>(at, count));
    }

    private sealed class Operation : DifferentiableOperation
    {
        public override string Name => nameof(GegluKernel);

        public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved)
        {
            foreach (int kept in (int[])[0, 2, 3, 4])
            {
                saved.Add(inputs[kept]);
            }

            return GegluKernel.Forward(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5]);
        }

        public override IReadOnlyList<Tensor?> Backward(BackwardCall call) =>
            GegluKernel.Backward(call.Gradient, call.Saved[0], call.Saved[1], call.Saved[2], call.Saved[3], call.Required);
    }
}
