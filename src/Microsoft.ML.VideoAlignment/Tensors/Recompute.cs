using System.Runtime.ExceptionServices;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Activation checkpointing: the block runs without a graph, keeps only its inputs, and runs again in the backward pass. The gradient is that of
/// the plain run, bit for bit, for blocks that draw no random numbers. (Chen et al. 2016, "Training deep nets with sublinear memory cost".)
/// </summary>
internal static class Recompute
{
    /// <summary>Rows that together are no larger than this are not worth taking apart.</summary>
    private const long BytesTogether = 1 << 26;

    [ThreadStatic]
    private static ExceptionDispatchInfo? t_failure;

    /// <summary>
    /// Runs <paramref name="block"/> on <paramref name="inputs"/>. Every tensor that carries a graph must be among the inputs; parameters that
    /// the block owns need not be. Where nothing is recorded (gradients are off), the block simply runs.
    /// </summary>
    public static Tensor Run(Func<IReadOnlyList<Tensor>, Tensor> block, params Tensor[] inputs) => Run(ActivationMemory.Recompute, block, inputs);

    /// <inheritdoc cref="Run(Func{IReadOnlyList{Tensor}, Tensor}, Tensor[])"/>
    public static Tensor Run(ActivationMemory memory, Func<IReadOnlyList<Tensor>, Tensor> block, params Tensor[] inputs)
    {
        if (memory == ActivationMemory.Keep || !is_grad_enabled())
        {
            return block(inputs);
        }

        // The first block of a graded step has inputs without a graph; without one input that requires grad its output would have none either.
        using Tensor anchor = zeros(1, device: inputs[0].device, requires_grad: true);
        return HandedOver.Applied(() => Recomputed.apply([new Plan(block, memory == ActivationMemory.RecomputeOffloaded), anchor, .. inputs])[0]);
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
    /// <c>y.backward()</c> that rethrows what a recomputed block threw: an exception cannot cross libtorch's frames, it would end the process.
    /// <paramref name="slope"/>: what is back-propagated, of y's shape; null for a scalar: 1.
    /// </summary>
    public static void Backward(Tensor y, Tensor? slope = null)
    {
        if (slope is not null)
        {
            Backward([y], [slope]);
            return;
        }

        t_failure = null;
        MemoryMeter.Enter(MemoryPhase.Backward);
        y.backward();
        Rethrow();
    }

    /// <summary>As the other overload, of several tensors that may share a graph.</summary>
    public static void Backward(IReadOnlyList<Tensor> ys, IReadOnlyList<Tensor> slopes)
    {
        t_failure = null;
        MemoryMeter.Enter(MemoryPhase.Backward);
        autograd.backward([.. ys], [.. slopes]);
        Rethrow();
    }

    private static void Rethrow()
    {
        ExceptionDispatchInfo? failure = t_failure;
        t_failure = null;
        failure?.Throw();
    }

    private static Tensor Returned(Tensor saved, Waiting? waiting)
    {
        Tensor given = saved.detach();
        return waiting is null ? given : HostMemory.Back(given, waiting.Device, waiting.Shape, waiting.Strides);
    }

    private sealed record Plan(Func<IReadOnlyList<Tensor>, Tensor> Block, bool Offload);

    /// <summary>Where an input was that waits in the CPU's memory, and how it lay.</summary>
    private sealed record Waiting(Device Device, long[] Shape, long[] Strides);

    private sealed class Recomputed : autograd.MultiTensorFunction<Recomputed>
    {
        public override string Name => nameof(Recompute);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var plan = (Plan)vars[0];
            List<Tensor> inputs = [.. vars.Skip(2).Cast<Tensor>()];
            ctx.save_data("block", plan.Block);
            ctx.save_data("graded", inputs.Select(input => input.requires_grad).ToArray());
            ctx.save_data("waiting", inputs.Select(input => plan.Offload && HostMemory.Takes(input) ? new Waiting(input.device, input.shape, input.stride()) : null).ToArray());
            ctx.save_for_backward([.. inputs.Select(input => plan.Offload && HostMemory.Takes(input) ? HostMemory.Out(input) : input)]);
            using (no_grad())
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor y = plan.Block(inputs);
                MemoryMeter.Look();
                return [y.MoveToOuterDisposeScope()];
            }
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grads)
        {
            var block = (Func<IReadOnlyList<Tensor>, Tensor>)ctx.get_data("block");
            bool[] graded = (bool[])ctx.get_data("graded");
            var waiting = (Waiting?[])ctx.get_data("waiting");
            using DisposeScope scope = NewDisposeScope();
            List<Tensor> inputs = [.. ctx.get_saved_variables().Select((saved, i) => Returned(saved, waiting[i]).requires_grad_(graded[i]))];
            try
            {
                using (enable_grad())
                {
                    Tensor y = block(inputs);
                    MemoryMeter.Look(grads[0]);
                    y.backward([grads[0]]);
                }
            }
            catch (Exception exception)
            {
                t_failure ??= ExceptionDispatchInfo.Capture(exception);
            }

            // One entry per argument of apply: the block, the anchor, then the inputs.
            var result = new List<Tensor> { null!, null! };
            for (int i = 0; i < inputs.Count; i++)
            {
                result.Add(graded[i] ? (inputs[i].grad ?? zeros_like(inputs[i])).MoveToOuterDisposeScope() : null!);
            }

            return HandedOver.Returned(grads[0], result);
        }
    }
}
