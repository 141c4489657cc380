using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>Acts on all parameters of a network at once.</summary>
internal static class Parameters
{
    public static void SetTrainable(nn.Module module, bool trainable)
    {
        foreach (TorchSharp.Modules.Parameter parameter in module.parameters())
        {
            parameter.requires_grad = trainable;
        }
    }

    /// <summary>target = source, name by name.</summary>
    public static void Copy(nn.Module target, nn.Module source)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        foreach ((Tensor to, Tensor from) in target.parameters().Zip(source.parameters()))
        {
            to.copy_(from);
        }
    }

    /// <summary>target = target + (source - target) * share, name by name. The target must hold numbers: 0 times an uninitialized NaN is NaN.</summary>
    public static void MoveTowards(nn.Module target, nn.Module source, double share)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        foreach ((Tensor to, Tensor from) in target.parameters().Zip(source.parameters()))
        {
            to.MulInPlace(1 - share).AddInPlace(from, share);
        }
    }
}
