namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Activation checkpointing: the block runs without a graph, keeps only its inputs, and runs again in the backward pass. The gradient is that of
/// the plain run, bit for bit, for blocks that draw no random numbers. (Chen et al. 2016, "Training deep nets with sublinear memory cost".)
/// </summary>
internal static class Recompute
{
    /// <summary>Rows that together are no larger than this are not worth taking apart.</summary>
    private const long BytesTogether = 1 << 26;

    /// <summary>
    /// Runs <paramref name="block"/> on <paramref name="inputs"/>. Every tensor that carries a graph must be among the inputs; parameters that
    /// the block owns need not be. Where nothing is recorded (gradients are off), the block simply runs.
    /// </summary>
    public static Tensor Run(Func<IReadOnlyList<Tensor>, Tensor> block, params Tensor[] inputs) => Run(ActivationMemory.Recompute, block, inputs);

    /// <inheritdoc cref="Run(Func{IReadOnlyList{Tensor}, Tensor}, Tensor[])"/>
    public static Tensor Run(ActivationMemory memory, Func<IReadOnlyList<Tensor>, Tensor> block, params Tensor[] inputs)
    {
        return memory == ActivationMemory.Keep || !is_grad_enabled()
            ? block(inputs)
            : CustomFunction.Run(new RecomputedBlock(block, memory == ActivationMemory.RecomputeOffloaded), inputs);
    }

    /// <summary>
    /// As <see cref="Run(ActivationMemory, Func{IReadOnlyList{Tensor}, Tensor}, Tensor[])"/>, of a block that does the same with each row of x [N, ...]: rows that are
    /// large run by themselves, so that the block's own tensors are those of few. Where all is kept, it runs at once.
    /// </summary>
    public static Tensor Rows(ActivationMemory memory, Func<Tensor, Tensor> block, Tensor x)
    {
        long rowBytes = x.numel() / x.shape[0] * x.element_size(), together = Math.Max(1, BytesTogether / Math.Max(1, rowBytes));
        if (memory == ActivationMemory.Keep || together >= x.shape[0])
        {
            return Run(memory, inputs => block(inputs[0]), x);
        }

        using DisposeScope scope = NewDisposeScope();
        return cat([.. x.split(together).Select(part => Run(memory, inputs => block(inputs[0]), part))]).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Runs <c>y.backward()</c> and throws what an operation of ours threw in it, on whatever thread. Gradients that the pass has given by then stay where they
    /// are: a step that fails drops them.
    /// </summary>
    /// <param name="y">A scalar, or a tensor of the slope's shape.</param>
    /// <param name="slope">What is back-propagated, of y's shape; null for a scalar: 1.</param>
    public static void Backward(Tensor y, Tensor? slope = null)
    {
        if (slope is null)
        {
            Backward(y.backward);
        }
        else
        {
            Backward([y], [slope]);
        }
    }

    /// <summary>Runs one backward pass from several tensors, which may share a graph.</summary>
    /// <param name="ys">Tensors with a graph.</param>
    /// <param name="slopes">What is back-propagated from each, of its shape.</param>
    public static void Backward(IReadOnlyList<Tensor> ys, IReadOnlyList<Tensor> slopes) => Backward(() => autograd.backward([.. ys], [.. slopes]));

    private static void Backward(Action pass)
    {
        MemoryProfiler.Enter(MemoryPhase.Backward);
        try
        {
            BackwardFailures.Rethrow(pass);
        }
        finally
        {
            ReturnedGradients.Release();
        }
    }

    private sealed class RecomputedBlock(Func<IReadOnlyList<Tensor>, Tensor> block, bool offload) : DifferentiableOperation
    {
        private Waiting?[] _waiting = [];

        public override string Name => nameof(Recompute);

        public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved)
        {
            _waiting = [.. inputs.Select(input => offload && HostMemory.Takes(input) ? new Waiting(input.device, input.shape, input.stride()) : null)];
            foreach ((Tensor input, Waiting? waiting) in inputs.Zip(_waiting))
            {
                saved.Add(waiting is null ? input : HostMemory.Out(input));
            }

            using DisposeScope scope = NewDisposeScope();
            Tensor y = block(inputs);
            MemoryProfiler.Sample();
            return inputs.Any(input => ReferenceEquals(input, y)) ? y.alias().MoveToOuterDisposeScope() : y.MoveToOuterDisposeScope();
        }

        public override IReadOnlyList<Tensor?> Backward(BackwardCall call)
        {
            Tensor[] inputs = [.. call.Saved.Zip(_waiting, Returned).Zip(call.Required, (input, required) => input.requires_grad_(required))];
            using (enable_grad())
            {
                Tensor y = block(inputs);
                MemoryProfiler.Sample(call.Gradient);
                BackwardFailures.Rethrow(() => y.backward([call.Gradient]));
            }

            return [.. inputs.Zip(call.Required, (input, required) => required ? input.grad ?? zeros_like(input) : null)];
        }

        private static Tensor Returned(Tensor saved, Waiting? waiting)
        {
            Tensor given = saved.detach();
            return waiting is null ? given : HostMemory.Back(given, waiting.Device, waiting.Shape, waiting.Strides);
        }

        /// <summary>Where an input was that waits in the CPU's memory, and how it lay.</summary>
        private sealed record Waiting(Device Device, long[] Shape, long[] Strides);
    }
}
