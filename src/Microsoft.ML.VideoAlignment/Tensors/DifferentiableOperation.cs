namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>One use of an operation that has a backward pass of its own; <see cref="CustomFunction"/> records and runs it.</summary>
internal abstract class DifferentiableOperation
{
    /// <summary>The operation's name, for observers.</summary>
    public abstract string Name { get; }

    /// <summary>Computes the result; gradients are off.</summary>
    /// <param name="inputs">Tensors of the caller.</param>
    /// <param name="saved">Takes the tensors that <see cref="Backward"/> needs, inputs or others.</param>
    /// <returns>A fresh tensor.</returns>
    public abstract Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved);

    /// <summary>Computes the inputs' gradients; gradients are off, and the thread may be any. What it throws reaches the caller of the backward pass.</summary>
    /// <param name="call">The gradient of the result, and what the forward pass saved.</param>
    /// <returns>One entry per input, of its shape; null where none is required.</returns>
    public abstract IReadOnlyList<Tensor?> Backward(BackwardCall call);
}

/// <summary>What an operation is given to compute its inputs' gradients from.</summary>
/// <param name="Gradient">The gradient of the result, of its shape.</param>
/// <param name="Saved">What <see cref="DifferentiableOperation.Forward"/> saved, in its order.</param>
/// <param name="Required">Per input, whether its gradient is required.</param>
internal readonly record struct BackwardCall(Tensor Gradient, IReadOnlyList<Tensor> Saved, IReadOnlyList<bool> Required);
