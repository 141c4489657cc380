namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Deterministic weights and inputs: values that rise and wrap around, so that no two neighbors are alike and no sum cancels.</summary>
internal static class Ramp
{
    /// <summary>Matrices and kernels around zero, of a size that keeps activations near one; vectors around one half.</summary>
    public static TModule Fill<TModule>(TModule module)
        where TModule : nn.Module
    {
        using IDisposable guard = no_grad();
        long start = 1;
        foreach (TorchSharp.Modules.Parameter parameter in module.parameters())
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor values = Values(start++, parameter.shape);
            parameter.copy_(parameter.ndim == 1 ? values * 0.2 + 0.5 : values * (2 / Math.Sqrt(parameter.numel() / parameter.shape[0])));
        }

        return module;
    }

    /// <summary>Values in [-0.5, 0.5).</summary>
    public static Tensor Values(long start, params long[] shape)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor index = arange(shape.Aggregate(1L, (a, b) => a * b), dtype: ScalarType.Float64);
        Tensor values = ((index + start) * 0.6180339887).frac() - 0.5;
        return values.to_type(ScalarType.Float32).reshape(shape).MoveToOuterDisposeScope();
    }
}
