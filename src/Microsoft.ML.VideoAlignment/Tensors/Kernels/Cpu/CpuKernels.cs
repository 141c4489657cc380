using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>What the project's own CPU loops share: where a tensor lies, how work is split, and two functions that libtorch evaluates slowly.</summary>
internal static unsafe class CpuKernels
{
    /// <summary>Numbers in one vector.</summary>
    public const int Width = 16;

    private static readonly Lazy<bool> s_enabled = new(static () =>
        IsSwitchedOn(Environment.GetEnvironmentVariable(Variable), AppContext.TryGetSwitch(Switch, out bool on) ? on : null)
        && ((Avx2.IsSupported && Fma.IsSupported) || AdvSimd.Arm64.IsSupported));

    /// <summary>The AppContext switch, set in runtimeconfig or by <see cref="AppContext.SetSwitch"/> before the first tensor is made; on by default.</summary>
    public const string Switch = "Microsoft.ML.VideoAlignment.CpuKernels";

    /// <summary>The same as an environment variable, which wins: 0 turns the kernels off, 1 on.</summary>
    public const string Variable = "VIDEO_ALIGNMENT_CPU_KERNELS";

    /// <summary>Whether our loops run: they are not switched off, and the processor has the instructions that their vectors are made of. Read once.</summary>
    /// <remarks>
    /// Without fused multiply-add each product would be a call. Where our loops do not run, libtorch's own operations do; memory estimates follow.
    /// </remarks>
    public static bool Enabled => s_enabled.Value;

    /// <summary>Whether our loops may take a tensor: they run, and it is float32 in CPU memory.</summary>
    /// <param name="x">Any shape.</param>
    public static bool Fits(Tensor x) => Enabled && x.dtype == ScalarType.Float32 && ComputeDevice.IsCpu(x);

    /// <summary>Combines the two switches.</summary>
    /// <param name="variable">The environment variable's value; null: not set.</param>
    /// <param name="value">The program's switch; null: not set.</param>
    /// <exception cref="InvalidOperationException">The variable is neither 0 nor 1.</exception>
    internal static bool IsSwitchedOn(string? variable, bool? value) => variable switch
    {
        null or "" => value ?? true,
        "0" => false,
        "1" => true,
        _ => throw new InvalidOperationException(
            $"The environment variable {Variable} is '{variable}'; expected 0 (libtorch's operations), 1 (the library's own loops), or not set."),
    };

    /// <summary>The address of the first number; the caller keeps the tensor alive.</summary>
    /// <param name="contiguous">A contiguous float32 tensor in CPU memory.</param>
    public static float* Address(Tensor contiguous)
    {
        // Tensor.bytes is limited to 2 GB; one element is enough to know the address.
        using Tensor flat = contiguous.view(-1);
        using Tensor first = flat.narrow(0, 0, 1);
        return (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }

    /// <summary>Runs a loop on as many threads as libtorch uses.</summary>
    /// <param name="count">Number of rounds.</param>
    /// <param name="body">One round, given its index from 0.</param>
    public static void ParallelFor(int count, Action<int> body)
    {
        int threads = Math.Min(get_num_threads(), count);
        if (threads <= 1)
        {
            for (int i = 0; i < count; i++)
            {
                body(i);
            }

            return;
        }

        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, body);
    }

    /// <summary>e^x within 2 units in the last place; polynomial of Cephes' expf (Moshier).</summary>
    /// <param name="x">Held between -87.3 and 88.3.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        x = Vector512.Min(Vector512.Max(x, Vector512.Create(-87.3f)), Vector512.Create(88.3f));
        Vector512<float> shift = Vector512.Create(12582912f); // 1.5 * 2^23: adding it rounds to a whole number
        Vector512<float> n = Vector512.FusedMultiplyAdd(x, Vector512.Create(1.44269504f), shift) - shift;
        Vector512<float> r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-0.693359375f), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(2.12194440e-4f), r);
        Vector512<float> p = Vector512.Create(1.9875691500e-4f);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.3981999507e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(8.3334519073e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.1665795894e-2f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.6666665459e-1f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(5.0000001201e-1f));
        p = Vector512.FusedMultiplyAdd(p, r * r, r) + Vector512<float>.One;
        Vector512<int> power = Vector512.ShiftLeft(Vector512.ConvertToInt32Native(n) + Vector512.Create(127), 23);
        return p * power.AsSingle();
    }

    /// <summary>1 / (1 + e^-x).</summary>
    /// <param name="x">Any numbers.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sigmoid(Vector512<float> x) => Vector512<float>.One / (Vector512<float>.One + Exp(-x));

    /// <summary>The normal distribution's integral up to x and its density at x, within 1e-7 (Abramowitz and Stegun 7.1.26).</summary>
    /// <param name="x">Any numbers.</param>
    /// <remarks>GELU is x times the first; its slope is the first plus x times the second.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Integral, Vector512<float> Density) Normal(Vector512<float> x)
    {
        Vector512<float> one = Vector512<float>.One;
        Vector512<float> z = Vector512.Abs(x) * Vector512.Create(0.70710678f);
        Vector512<float> bell = Exp(-(z * z));
        Vector512<float> t = one / Vector512.FusedMultiplyAdd(z, Vector512.Create(0.3275911f), one);
        Vector512<float> p = Vector512.Create(1.061405429f);
        p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(-1.453152027f));
        p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(1.421413741f));
        p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(-0.284496736f));
        p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(0.254829592f));
        Vector512<float> tail = p * t * bell * Vector512.Create(0.5f); // integral from |x| to infinity
        Vector512<float> integral = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), tail, one - tail);
        return (integral, bell * Vector512.Create(0.39894228f));
    }
}
