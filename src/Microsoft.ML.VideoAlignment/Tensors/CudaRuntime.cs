using System.Runtime.InteropServices;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>The C interface of the CUDA runtime, for what TorchSharp does not ask it.</summary>
/// <remarks>
/// libtorch's CUDA packages bring the library (libcudart.so, cudart64_*.dll), and the copy that libtorch has loaded is taken where there is one. Whatever the
/// runtime refuses is not known: nothing here throws.
/// </remarks>
internal sealed unsafe class CudaRuntime
{
    // cudaDevAttrComputeCapabilityMajor and -Minor of cudaDeviceAttr.
    private const int CapabilityMajor = 75, CapabilityMinor = 76;

    private static readonly string[] s_functions = ["cudaGetDevice", "cudaSetDevice", "cudaMemGetInfo", "cudaDeviceGetAttribute", "cudaGetLastError"];

    private static readonly Lazy<CudaRuntime?> s_loaded = new(static () =>
        Load([.. NativeTorch.LoadedFiles(IsRuntime), .. FilesOf(NativeTorch.Folders()), .. SystemNames()]));

    private readonly delegate* unmanaged<int*, int> _getDevice;
    private readonly delegate* unmanaged<int, int> _setDevice;
    private readonly delegate* unmanaged<nuint*, nuint*, int> _memGetInfo;
    private readonly delegate* unmanaged<int*, int, int, int> _deviceGetAttribute;
    private readonly CudaErrors _errors;

    private readonly Func<string, nint> _find;

    private CudaRuntime(Func<string, nint> find, nint getDevice, nint setDevice, nint memGetInfo, nint deviceGetAttribute, nint getLastError)
    {
        _find = find;
        _getDevice = (delegate* unmanaged<int*, int>)getDevice;
        _setDevice = (delegate* unmanaged<int, int>)setDevice;
        _memGetInfo = (delegate* unmanaged<nuint*, nuint*, int>)memGetInfo;
        _deviceGetAttribute = (delegate* unmanaged<int*, int, int, int>)deviceGetAttribute;
        _errors = new CudaErrors(getLastError);
    }

    /// <summary>The runtime of this process; null: there is none.</summary>
    public static CudaRuntime? Loaded => s_loaded.Value;

    /// <summary>Loads the first library that has the interface.</summary>
    /// <param name="libraries">Paths, and names that the system finds.</param>
    /// <returns>null: none of them.</returns>
    internal static CudaRuntime? Load(IEnumerable<string> libraries)
    {
        foreach (string path in libraries)
        {
            if (!NativeLibrary.TryLoad(path, out nint library))
            {
                continue;
            }

            if (FromExports(name => NativeLibrary.TryGetExport(library, name, out nint address) ? address : 0) is { } runtime)
            {
                return runtime;
            }

            NativeLibrary.Free(library);
        }

        return null;
    }

    /// <summary>Makes the interface of a library's functions.</summary>
    /// <param name="find">From a function's name to its address; 0: the library does not have it.</param>
    /// <returns>null: a function is missing.</returns>
    internal static CudaRuntime? FromExports(Func<string, nint> find)
    {
        nint[] found = [.. s_functions.Select(find)];
        return found.Contains(0) ? null : new CudaRuntime(find, found[0], found[1], found[2], found[3], found[4]);
    }

    /// <summary>Whether a file is the library, under the names of NVIDIA's packages and of libtorch's (libcudart-1a2b3c4d.so.12).</summary>
    /// <param name="file">A path or a file name.</param>
    internal static bool IsRuntime(string file)
    {
        string name = Path.GetFileName(file);
        return (name.StartsWith("libcudart", StringComparison.Ordinal) && name.Contains(".so", StringComparison.Ordinal))
            || (name.StartsWith("cudart64_", StringComparison.OrdinalIgnoreCase) && name.EndsWith(".dll", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Finds the library's files.</summary>
    /// <param name="folders">Folders that may not exist.</param>
    internal static IEnumerable<string> FilesOf(IEnumerable<string> folders) =>
        folders.Where(Directory.Exists).SelectMany(folder => Directory.EnumerateFiles(folder, "*cudart*").Where(IsRuntime).Order(StringComparer.Ordinal));

    /// <summary>Makes a stream for copies beside a device's kernels.</summary>
    /// <param name="device">The device's number, from 0.</param>
    /// <returns>null: there can be none; see <see cref="CudaCopyStream.TryCreate"/>.</returns>
    public CudaCopyStream? TryOpenCopyStream(int device) => CudaCopyStream.TryCreate(_find, device);

    /// <summary>Reads a device's compute capability.</summary>
    /// <param name="device">The device's number, from 0.</param>
    /// <returns>null: not known.</returns>
    public Version? ReadComputeCapability(int device)
    {
        int major, minor;
        return _errors.Succeeds(_deviceGetAttribute(&major, CapabilityMajor, device))
            && _errors.Succeeds(_deviceGetAttribute(&minor, CapabilityMinor, device)) && major > 0
            ? new Version(major, minor)
            : null;
    }

    /// <summary>Reads a device's free and total memory.</summary>
    /// <param name="device">The device's number, from 0.</param>
    /// <returns>null: not known.</returns>
    public DeviceMemory? ReadMemory(int device)
    {
        int current;
        if (!_errors.Succeeds(_getDevice(&current)))
        {
            return null;
        }

        if (current == device)
        {
            return ReadMemory();
        }

        // The question is of the thread's device. Set back in this thread, the device before would be given a context, which takes memory there.
        DeviceMemory? memory = null;
        var thread = new Thread(() => memory = _errors.Succeeds(_setDevice(device)) ? ReadMemory() : null);
        thread.Start();
        thread.Join();
        return memory;
    }

    private DeviceMemory? ReadMemory()
    {
        nuint free, total;
        return _errors.Succeeds(_memGetInfo(&free, &total)) && total > 0 && free <= total ? new DeviceMemory((long)free, (long)total) : null;
    }

    private static IEnumerable<string> SystemNames() => OperatingSystem.IsWindows() ? ["cudart64_12.dll", "cudart64_13.dll"]
        : OperatingSystem.IsLinux() ? ["libcudart.so.12", "libcudart.so.13"]
        : [];
}
