using System.Collections.Frozen;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// What each kind of operation computes in while a network computes in half precision: one table, as the lists of torch.autocast. A network is entered with
/// float32 and left with float32 (<see cref="Run"/>); in between, <see cref="Ops"/> asks here.
/// </summary>
internal static class PrecisionPolicy
{
    private static readonly FrozenDictionary<OpKind, Rule> s_rules = new Dictionary<OpKind, Rule>
    {
        [OpKind.Product] = Rule.Compute, // linear layers, matrix products, convolutions
        [OpKind.FusedAttention] = Rule.Compute, // its kernels take the softmax in float32
        [OpKind.Norm] = Rule.Wide,
        [OpKind.TimeModulation] = Rule.Wide, // gates are small beside what they are added to
        [OpKind.Other] = Rule.Input, // libtorch's softmax and sums of half numbers are float32 inside
    }.ToFrozenDictionary();

    private enum Rule
    {
        /// <summary>The network's type.</summary>
        Compute,

        /// <summary>float32 or wider; the result goes back to the type of the input.</summary>
        Wide,

        /// <summary>The type of the input; of several, the widest.</summary>
        Input,
    }

    /// <summary>Runs a network in the precision that the run has for it.</summary>
    /// <param name="role">The part of the run that the network is.</param>
    /// <param name="network">The network.</param>
    /// <returns>What the network returns; float32 where it computed in half precision.</returns>
    public static Tensor Run(NetworkRole role, Func<Tensor> network)
    {
        if (RunContext.Current.Precision.TypeOf(role) is not { } type)
        {
            return network();
        }

        using IDisposable computing = RunContext.ComputeIn(type);
        using Tensor y = network();
        return y.to_type(ScalarType.Float32);
    }

    /// <summary>Runs a part of a network that computes in float32 whatever the run has for the network, such as the embedding of the diffusion time.</summary>
    /// <param name="part">The part; it is given float32.</param>
    /// <returns>What the part returns.</returns>
    public static Tensor RunInFloat32(Func<Tensor> part)
    {
        if (RunContext.Current.ComputeType is null)
        {
            return part();
        }

        using IDisposable computing = RunContext.ComputeIn(ScalarType.Float32);
        return part();
    }

    /// <summary>The type that a convolution computes in: that of products, and on the CPU float32 in place of half where the kernel is trained.</summary>
    /// <param name="input">The input.</param>
    /// <param name="kernel">The convolution's kernel.</param>
    /// <remarks>
    /// oneDNN's gradient of a narrow half kernel reads memory that nothing wrote (libtorch 2.10, processors with AVX-512): zeros times that may be NaN.
    /// </remarks>
    public static ScalarType TypeOfConvolution(Tensor input, Tensor kernel)
    {
        ScalarType product = TypeFor(OpKind.Product, input.dtype);
        return input.device_type == DeviceType.CPU && kernel.requires_grad && is_grad_enabled() ? Placement.ComputeDtype(product) : product;
    }

    /// <summary>The type that an operation computes in.</summary>
    /// <param name="kind">The operation's kind.</param>
    /// <param name="input">The type of its input.</param>
    public static ScalarType TypeFor(OpKind kind, ScalarType input) => s_rules[kind] switch
    {
        Rule.Compute => RunContext.Current.ComputeType is { } type && input != ScalarType.Float64 ? type : input,
        Rule.Wide => Placement.ComputeDtype(input),
        _ => input,
    };

    /// <summary>Whether statistics of a tensor are taken in a wider type than its own.</summary>
    /// <param name="x">Any shape.</param>
    public static bool IsHalf(Tensor x) => TypeFor(OpKind.Norm, x.dtype) != x.dtype;

    /// <summary>Brings a tensor to the type that an operation computes in.</summary>
    /// <param name="kind">The operation's kind.</param>
    /// <param name="x">Any shape.</param>
    /// <returns>A fresh handle, of x itself where its type is right.</returns>
    public static Tensor Cast(OpKind kind, Tensor x) => x.to_type(TypeFor(kind, x.dtype));

    /// <summary>The type to keep an adapter's merged weight in.</summary>
    /// <param name="computed">The type in which it is computed.</param>
    public static ScalarType TypeOfMerged(ScalarType computed) => RunContext.Current.Precision.TypeOf(NetworkRole.Denoiser) ?? computed;

    /// <summary>
    /// Computes by wide numbers what takes and gives those of x. In half precision the backward pass finds the operands alone and computes the wide numbers
    /// again.
    /// </summary>
    /// <param name="kind">The operation's kind.</param>
    /// <param name="operation">Computes the result from the operands, of which the first comes in the wide type.</param>
    /// <param name="operands">x, and whatever else the operation takes; it may carry gradient.</param>
    /// <returns>The type of x.</returns>
    public static Tensor RunWide(OpKind kind, Func<IReadOnlyList<Tensor>, Tensor> operation, params Tensor[] operands)
    {
        ScalarType given = operands[0].dtype, wide = TypeFor(kind, given);
        return wide == given ? operation(operands)
            : Recompute.Run(operands.Any(operand => operand.requires_grad) ? ActivationMemory.Recompute : ActivationMemory.Keep, Wide, operands);

        Tensor Wide(IReadOnlyList<Tensor> inputs)
        {
            using Tensor x = inputs[0].to_type(wide);
            using Tensor y = operation([x, .. inputs.Skip(1)]);
            return y.to_type(given);
        }
    }
}
