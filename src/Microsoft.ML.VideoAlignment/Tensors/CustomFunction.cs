namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// The one custom autograd function: every operation with a backward pass of its own runs through it, so that its guard cannot be forgotten. libtorch calls the
/// backward pass through native frames, which an exception cannot cross, and on a GPU from a thread of its own.
/// </summary>
/// <remarks>
/// A failure is kept under a number (<see cref="BackwardFailures"/>), and the node answers with a gradient of that many elements in one dimension for an anchor
/// that has two. libtorch refuses such a gradient whatever the inputs are, stops the pass before another node runs, and throws in the thread that asked for the
/// pass, where the original exception takes over.
/// </remarks>
internal sealed class CustomFunction : autograd.MultiTensorFunction<CustomFunction>
{
    private const string RecordingKey = "recording";

    public override string Name => nameof(CustomFunction);

    /// <summary>Runs an operation and records its backward pass; gradients must be enabled.</summary>
    /// <param name="operation">Used for this call alone.</param>
    /// <param name="inputs">Every tensor that the result is differentiated by.</param>
    /// <returns>The result, which requires gradient whether or not an input does.</returns>
    public static Tensor Run(DifferentiableOperation operation, params Tensor[] inputs)
    {
        // Frees a spare tensor of the result's size that TorchSharp leaves.
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> saved = [];
        Tensor result;
        using (no_grad())
        {
            // Not within apply: TorchSharp keeps the node of an apply that fails for ever.
            result = operation.Forward(inputs, saved);
        }

        using Tensor anchor = zeros([1, 1], requires_grad: true);
        var recording = new Recording(operation, result, saved, [.. inputs.Select(input => input.requires_grad)], ExecutionContext.Capture());
        try
        {
            return apply([recording, anchor, .. inputs])[0].MoveToOuterDisposeScope();
        }
        catch
        {
            recording.Drop();
            throw;
        }
    }

    public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var recording = (Recording)vars[0];
        ctx.set_materialize_grads(false); // TorchSharp would make zeros like a tensor that is disposed by then
        ctx.save_data(RecordingKey, recording);
        ctx.save_for_backward(recording.Saved);
        return [recording.Result!];
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grads)
    {
        var recording = (Recording)ctx.get_data(RecordingKey);
        Tensor? refusal = null;
        var gradients = new Tensor?[recording.Required.Count];
        try
        {
            RunContext.Run(recording.Flow, Guarded);
        }
        catch (Exception exception)
        {
            refusal = BackwardFailures.WithoutRun.Refusal(exception);
        }

        ReturnedGradients.Replace([grads[0], refusal, .. gradients]);
        return [null!, refusal!, .. gradients.Select(gradient => gradient!)]; // of recording, anchor and inputs

        // Within the recorded flow: the failure belongs to its run, also on a thread of libtorch's own.
        void Guarded()
        {
            try
            {
                gradients = grads[0].IsInvalid ? gradients : Differentiate(ctx, recording, grads[0]);

                // As libtorch's own nodes do, of which TorchSharp's know nothing: they would hold what is saved until the whole graph goes.
                ctx.Dispose();
                recording.Drop();
            }
            catch (Exception exception)
            {
                refusal = RunContext.Current.Failures.Refusal(exception);
            }
        }
    }

    private static Tensor?[] Differentiate(autograd.AutogradContext ctx, Recording recording, Tensor gradient)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        RunContext.Differentiating(recording.Operation.Name);
        Tensor?[] results = [.. recording.Operation.Backward(new BackwardCall(gradient, ctx.get_saved_variables(), recording.Required))];
        return results.Length == recording.Required.Count
            ? [.. results.Select(result => result?.MoveToOuterDisposeScope())]
            : throw new InvalidOperationException(
                $"{recording.Operation.Name} has {recording.Required.Count} inputs and gave {results.Length} gradients. "
                + "Return one entry per input, null where none is required.");
    }

    /// <summary>What a node remembers of its recording.</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="result">Its result, until the node has it.</param>
    /// <param name="saved">What the operation saved.</param>
    /// <param name="required">Per input, whether its gradient is required.</param>
    /// <param name="flow">The flow of execution that recorded the node; null where flow was suppressed.</param>
    private sealed class Recording(DifferentiableOperation operation, Tensor result, List<Tensor> saved, IReadOnlyList<bool> required, ExecutionContext? flow)
    {
        private DifferentiableOperation? _operation = operation;

        public DifferentiableOperation Operation => _operation ?? throw new InvalidOperationException(
            "This node was not recorded to the end, or what it saved is gone: a graph is differentiated once. Run the forward pass again.");

        /// <summary>The operation's result, until the node has it.</summary>
        public Tensor? Result { get; private set; } = result;

        public List<Tensor> Saved => saved;

        public IReadOnlyList<bool> Required => required;

        /// <summary>The flow of execution that recorded the node; null where flow was suppressed.</summary>
        public ExecutionContext? Flow { get; private set; } = flow;

        /// <summary>Lets go of everything.</summary>
        public void Drop()
        {
            saved.Clear();
            (_operation, Result, Flow) = (null, null, null);
        }
    }
}
