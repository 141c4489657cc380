namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Activation checkpointing: the block runs without a graph, keeps only its inputs, and runs again in the backward pass (Chen et al. 2016, "Training deep nets
/// with sublinear memory cost").
/// </summary>
/// <remarks>The gradient is that of the plain run, bit for bit, for blocks that draw no random numbers.</remarks>
internal static class Recompute
{
    // Rows that together are at most this large are not worth taking apart.
    private const long BytesTogether = 1 << 26;

    /// <summary>Whether blocks keep their inputs alone in this flow of execution.</summary>
    public static bool IsActive => RunContext.Current.Activations != ActivationMemory.Keep;

    /// <summary>Bytes of a band of what decoders compute in bands in this flow of execution; null: they compute whole images.</summary>
    public static long? TileBytes => RunContext.Current.TileBytes;

    /// <summary>Whether a block that keeps this tensor keeps it in the CPU's memory, out of its device's.</summary>
    /// <param name="x">Any shape.</param>
    public static bool Offloads(Tensor x) => RunContext.Current.Activations == ActivationMemory.RecomputeOffloaded && HostMemory.CanOffload(x);

    /// <summary>Sets what blocks keep for the backward pass in this flow of execution, until disposed. Outside of scopes they keep all.</summary>
    /// <param name="blocks">What each block of a network keeps.</param>
    /// <param name="steps">Whether each denoising step is a block too, around those of the network.</param>
    /// <param name="tileBytes">Bytes of a band of what decoders compute in bands (<see cref="ImageBands"/>); null: they compute whole images.</param>
    /// <returns>The scope's end.</returns>
    /// <remarks>A backward pass recomputes by the scope of its recording, wherever and whenever it runs.</remarks>
    public static IDisposable BeginScope(ActivationMemory blocks, bool steps = false, long? tileBytes = null)
    {
        RunContext outer = RunContext.Current;
        ActivationMemory ofSteps = !steps ? ActivationMemory.Keep : blocks == ActivationMemory.Keep ? ActivationMemory.Recompute : blocks;
        RunContext.SetActivations(blocks, ofSteps, tileBytes);
        return new MemoryScope(outer);
    }

    /// <summary>Runs a block, which keeps what the scope says (<see cref="BeginScope"/>). Where gradients are off, or all is kept, it simply runs.</summary>
    /// <param name="block">A function of the inputs; parameters that it owns need not be among them.</param>
    /// <param name="inputs">Every tensor that carries a graph.</param>
    /// <returns>What the block returns.</returns>
    public static Tensor Run(Func<IReadOnlyList<Tensor>, Tensor> block, params Tensor[] inputs) => Run(RunContext.Current.Activations, block, inputs);

    /// <summary>Runs a block that has a choice of its own, whatever the scope says. Where gradients are off, or all is kept, it simply runs.</summary>
    /// <param name="memory">What is kept for the backward pass.</param>
    /// <param name="block">A function of the inputs; parameters that it owns need not be among them.</param>
    /// <param name="inputs">Every tensor that carries a graph.</param>
    /// <returns>What the block returns.</returns>
    public static Tensor Run(ActivationMemory memory, Func<IReadOnlyList<Tensor>, Tensor> block, params Tensor[] inputs)
    {
        return memory == ActivationMemory.Keep || !is_grad_enabled()
            ? block(inputs)
            : CustomFunction.Run(new RecomputedBlock(block, memory == ActivationMemory.RecomputeOffloaded), inputs);
    }

    /// <summary>
    /// Runs a block that does the same with each row: rows that are large run by themselves, so that the block's own tensors are those of few. Where the scope
    /// keeps all, all rows run at once.
    /// </summary>
    /// <param name="block">A function of rows.</param>
    /// <param name="x">[N, ...].</param>
    /// <returns>[N, ...].</returns>
    public static Tensor RunRows(Func<Tensor, Tensor> block, Tensor x)
    {
        long rowBytes = x.numel() / x.shape[0] * x.element_size(), together = Math.Max(1, BytesTogether / Math.Max(1, rowBytes));
        if (!IsActive || together >= x.shape[0])
        {
            return Run(inputs => block(inputs[0]), x);
        }

        using DisposeScope scope = NewDisposeScope();
        return cat([.. x.split(together).Select(part => Run(inputs => block(inputs[0]), part))]).MoveToOuterDisposeScope();
    }

    /// <summary>Runs <c>y.backward()</c> and throws what an operation of ours threw in it, on whatever thread.</summary>
    /// <param name="y">A scalar, or a tensor of the slope's shape.</param>
    /// <param name="slope">The gradient of y, of its shape; null for a scalar: 1.</param>
    /// <remarks>Gradients that the pass has given by then stay where they are: a step that fails drops them.</remarks>
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
    /// <param name="slopes">The gradient of each, of its shape.</param>
    public static void Backward(IReadOnlyList<Tensor> ys, IReadOnlyList<Tensor> slopes) => Backward(() => autograd.backward([.. ys], [.. slopes]));

    /// <summary>Runs what ran before again, with a graph, and differentiates it into its leaves: within an operation's backward pass.</summary>
    /// <param name="block">The block.</param>
    /// <param name="slope">Gives the gradient of what the block returns, of its shape.</param>
    public static void BackwardAgain(Func<Tensor> block, Func<Tensor, Tensor> slope)
    {
        using IDisposable guard = enable_grad();
        Tensor y = RunContext.RunAgain(block), gradient = slope(y);
        RunContext.OpDone(y, [gradient]);

        // A node of ours requires gradient even where nothing in its block does: frozen weights, constant inputs.
        if (y.requires_grad)
        {
            BackwardFailures.Rethrow(() => y.backward([gradient]));
        }
    }

    private static void Backward(Action pass)
    {
        RunContext.Enter(RunStage.Backward);
        try
        {
            BackwardFailures.Rethrow(pass);
        }
        finally
        {
            ReturnedGradients.Release();
        }
    }

    /// <summary>The time in which a scope holds.</summary>
    /// <param name="outer">The context before it, whose choice comes back.</param>
    private sealed class MemoryScope(RunContext outer) : IDisposable
    {
        private bool _isOver;

        public void Dispose()
        {
            if (!_isOver)
            {
                _isOver = true;
                RunContext.SetActivations(outer.Activations, outer.StepActivations, outer.TileBytes);
            }
        }
    }

    private sealed class RecomputedBlock(Func<IReadOnlyList<Tensor>, Tensor> block, bool offload) : DifferentiableOperation
    {
        private Waiting?[] _waiting = [];

        public override string Name => nameof(Recompute);

        public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved)
        {
            _waiting = [.. inputs.Select(input => offload && HostMemory.CanOffload(input) ? new Waiting(input.device, input.shape, input.stride()) : null)];
            foreach ((Tensor input, Waiting? waiting) in inputs.Zip(_waiting))
            {
                saved.Add(waiting is null ? input : HostMemory.Offload(input));
            }

            using DisposeScope scope = NewDisposeScope();
            Tensor y = RunContext.OpDone(block(inputs), []);
            return inputs.Any(input => ReferenceEquals(input, y)) ? y.alias().MoveToOuterDisposeScope() : y.MoveToOuterDisposeScope();
        }

        public override IReadOnlyList<Tensor?> Backward(BackwardCall call)
        {
            Tensor[] inputs = [.. call.Saved.Zip(_waiting, Returned).Zip(call.Required, (input, required) => input.requires_grad_(required))];
            BackwardAgain(() => block(inputs), _ => call.Gradient);
            return [.. inputs.Zip(call.Required, (input, required) => required ? input.grad ?? zeros_like(input) : null)];
        }

        private static Tensor Returned(Tensor saved, Waiting? waiting)
        {
            Tensor given = saved.detach();
            return waiting is null ? given : HostMemory.Restore(given, waiting.Device, waiting.Shape, waiting.Strides);
        }

        /// <summary>Where an input was that waits in the CPU's memory, and how it lay.</summary>
        /// <param name="Device">Its device.</param>
        /// <param name="Shape">Its shape.</param>
        /// <param name="Strides">Its strides.</param>
        private sealed record Waiting(Device Device, long[] Shape, long[] Strides);
    }
}
