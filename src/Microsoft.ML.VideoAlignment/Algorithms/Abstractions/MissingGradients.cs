using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// Completes gradients: layers that cannot change the video are left out of the pass, so their factors have none, where torch computes zero. An optimizer
/// skips what has none, and the factors' weights would not decay.
/// </summary>
internal static class MissingGradients
{
    /// <summary>Gives the factors without a gradient one of zero, where others have one.</summary>
    /// <param name="factors">The factors of all adapters.</param>
    public static void Complete(IEnumerable<Parameter> factors)
    {
        using DisposeScope scope = NewDisposeScope();
        ILookup<bool, Parameter> byGradient = factors.ToLookup(factor => factor.grad is not null);
        foreach (Parameter inert in byGradient[true].Any() ? byGradient[false] : [])
        {
            inert.grad = zeros_like(inert, requires_grad: false).DetachFromDisposeScope();
        }
    }
}
