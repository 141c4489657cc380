using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// What TorchSharp does not expose of a tensor's memory: its storage, how large that is, how many tensors, autograd's saved ones included, hold it; and which
/// tensors the thread's dispose scopes own.
/// </summary>
/// <remarks>
/// libtorch has no function for it, so it is read where libtorch 2.10's <c>TensorImpl</c> and <c>StorageImpl</c> have it, which <see cref="Require"/> checks.
/// </remarks>
internal static unsafe class StorageCount
{
    /// <summary>The libtorch whose layout this is: major and minor in the upper two bytes, as its C interface tells them.</summary>
    private const ulong KnownVersion = 0x020a;

    /// <summary>Offsets in bytes: a virtual table and two 32-bit counts come first in both; a storage then has the address of its data.</summary>
    private const int Strong = 8, StorageOfTensor = 16, DataOfStorage = 16, BytesOfStorage = 48;

    private static bool s_checked;

    /// <summary>The address of the storage; never 0 for a tensor that has one.</summary>
    /// <param name="tensor">Any shape.</param>
    public static nint StorageAddress(Tensor tensor) => Word(tensor, StorageOfTensor);

    /// <summary>Counts the tensors that hold the storage of this tensor, itself included.</summary>
    /// <param name="tensor">Any shape.</param>
    public static uint Holders(Tensor tensor) => *(uint*)(StorageAddress(tensor) + Strong);

    /// <summary>The size of the storage in bytes, however little of it the tensor shows.</summary>
    /// <param name="tensor">Any shape.</param>
    public static long Bytes(Tensor tensor) => *(long*)(StorageAddress(tensor) + BytesOfStorage);

    /// <summary>The address of the storage's first number, in the memory of its device.</summary>
    /// <param name="tensor">Any shape; it begins where its storage begins.</param>
    public static nint DataAddress(Tensor tensor) => *(nint*)(StorageAddress(tensor) + DataOfStorage);

    /// <summary>Whether this libtorch lays its tensors out as is known here.</summary>
    public static bool IsKnown => s_checked || LayoutFault(LoadedVersion(), StorageOfTensor) is null;

    /// <summary>Checks the above, once.</summary>
    /// <exception cref="NotSupportedException">This libtorch lays its tensors out otherwise.</exception>
    public static void Require()
    {
        if (!s_checked && LayoutFault(LoadedVersion(), StorageOfTensor) is { } fault)
        {
            throw new NotSupportedException(
                $"Memory cannot be estimated: {fault}. Leave out what needs an estimate (the option Memory.Budget), "
                + "or use TorchSharp 0.107 with libtorch 2.10, for which it is made.");
        }

        s_checked = true;
    }

    /// <summary>
    /// What differs from the layout that is read here; null: nothing. Nothing is followed that has not been checked: first the version decides, then
    /// words inside a tensor's own memory are compared for tensors that share a storage and one that does not, and only then is what stands there
    /// taken for an address.
    /// </summary>
    /// <param name="version">libtorch's version as its C interface tells it; null: it tells none.</param>
    /// <param name="storage">Where in a tensor the address of its storage is to be.</param>
    internal static string? LayoutFault(ulong? version, int storage)
    {
        if (version >> 48 != KnownVersion)
        {
            string found = version is { } other ? $"libtorch {other >> 56}.{(other >> 48) & 255}" : "a libtorch that does not tell its version";
            return $"how tensors lie in memory is known of libtorch {KnownVersion >> 8}.{KnownVersion & 255}, and this is {found}";
        }

        const string Otherwise = "this libtorch or TorchSharp lays its tensors out otherwise than the version that the library was made for";
        using DisposeScope scope = NewDisposeScope();
        Tensor tensor = empty([3, 5], dtype: ScalarType.Float32, device: META), apart = empty([3, 5], dtype: ScalarType.Float32, device: META);
        uint alone = Count(tensor);
        Tensor view = tensor.t();
        Tensor onCpu = zeros(3, 5, dtype: ScalarType.Float32);
        nint place = Word(tensor, storage);
        bool names = place != 0 && place % sizeof(nint) == 0 && Word(view, storage) == place && Word(apart, storage) != place && Word(onCpu, storage) != place;
        if (!names || alone != 1 || Count(view) != 1)
        {
            return Otherwise;
        }

        bool held = *(uint*)(place + Strong) == 2 && *(uint*)(Word(apart, storage) + Strong) == 1 && *(long*)(place + BytesOfStorage) == 60;
        nint data;
        fixed (byte* first = onCpu.bytes)
        {
            data = (nint)first;
        }

        bool points = *(nint*)(Word(onCpu, storage) + DataOfStorage) == data;
        return held && points && Owned().Any(owned => ReferenceEquals(owned, tensor)) ? null : Otherwise;
    }

    /// <summary>The version of the libtorch that is loaded, by the one function of its C interface that takes no tensor; null: it is not found.</summary>
    internal static ulong? LoadedVersion()
    {
        // TorchSharp has loaded it when there is a tensor; by its bare name the same library is given again.
        using Tensor loads = empty(0);
        string name = OperatingSystem.IsWindows() ? "torch_cpu.dll" : OperatingSystem.IsMacOS() ? "libtorch_cpu.dylib" : "libtorch_cpu.so";
        foreach (string path in (string[])[name, .. NativeTorch.LoadedFiles(file => Path.GetFileName(file) == name)])
        {
            if (NativeLibrary.TryLoad(path, out nint library))
            {
                try
                {
                    if (NativeLibrary.TryGetExport(library, "aoti_torch_abi_version", out nint version))
                    {
                        return ((delegate* unmanaged<ulong>)version)();
                    }
                }
                finally
                {
                    NativeLibrary.Free(library);
                }
            }
        }

        return null;
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

    // A word of the tensor's own memory, which has some two hundred bytes.
    private static nint Word(Tensor tensor, int offset) => *(nint*)(*(nint*)tensor.Handle + offset);

    // The holders of the tensor itself.
    private static uint Count(Tensor tensor) => *(uint*)(*(nint*)tensor.Handle + Strong);

    [UnsafeAccessor(UnsafeAccessorKind.StaticMethod, Name = "get_ThreadSingleton")]
    private static extern DisposeScopeManager Manager(DisposeScopeManager? type);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_CurrentDisposeScope")]
    private static extern DisposeScope? Current(DisposeScopeManager manager);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_OuterScope")]
    private static extern DisposeScope? Outer(DisposeScope scope);
}
