using System.Runtime.CompilerServices;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// What TorchSharp does not tell of a tensor's memory: which storage it lies in, how large that is, and how many tensors, autograd's saved ones included, hold
/// it; and which tensors the thread's dispose scopes own. Read where libtorch 2.10's <c>TensorImpl</c> and <c>StorageImpl</c> have it, which
/// <see cref="Require"/> checks.
/// </summary>
internal static unsafe class StorageCount
{
    /// <summary>Offsets in bytes: a virtual table and two 32-bit counts come first in both.</summary>
    private const int Strong = 8, StorageOfTensor = 16, BytesOfStorage = 48;

    private static bool s_checked;

    /// <summary>Names the storage; never 0 for a tensor that has one.</summary>
    public static nint Of(Tensor tensor) => *(nint*)(*(nint*)tensor.Handle + StorageOfTensor);

    /// <summary>Tensors that hold the storage of this tensor, itself included.</summary>
    public static uint Holders(Tensor tensor) => *(uint*)(Of(tensor) + Strong);

    /// <summary>What the storage takes, however little of it the tensor shows.</summary>
    public static long Bytes(Tensor tensor) => *(long*)(Of(tensor) + BytesOfStorage);

    /// <summary>Tries the above on a tensor that is known.</summary>
    /// <exception cref="NotSupportedException">This libtorch lays its tensors out otherwise.</exception>
    public static void Require()
    {
        if (s_checked)
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor tensor = empty([3, 5], dtype: ScalarType.Float32, device: META);
        Tensor other = empty([3, 5], dtype: ScalarType.Float32, device: META);
        uint alone = Holders(tensor);
        using Tensor view = tensor.t();
        if (alone != 1 || Holders(tensor) != 2 || Of(view) != Of(tensor) || Of(other) == Of(tensor) || Bytes(view) != 60 || !Owned().Any(owned => ReferenceEquals(owned, tensor)))
        {
            throw new NotSupportedException("Memory cannot be estimated: this libtorch or TorchSharp lays its tensors out otherwise than the version that the library was made for.");
        }

        s_checked = true;
    }

    /// <summary>The tensors of all dispose scopes that are open in this thread.</summary>
    public static IEnumerable<Tensor> Owned()
    {
        for (DisposeScope? scope = Current(Manager(null)); scope is not null; scope = Outer(scope))
        {
            foreach (Tensor tensor in scope.DisposablesView.OfType<Tensor>().Where(tensor => !tensor.IsInvalid))
            {
                yield return tensor;
            }
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.StaticMethod, Name = "get_ThreadSingleton")]
    private static extern DisposeScopeManager Manager(DisposeScopeManager? type);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_CurrentDisposeScope")]
    private static extern DisposeScope? Current(DisposeScopeManager manager);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_OuterScope")]
    private static extern DisposeScope? Outer(DisposeScope scope);
}
