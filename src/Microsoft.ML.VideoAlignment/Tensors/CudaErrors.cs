namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>What functions of the CUDA runtime return.</summary>
/// <param name="getLastError">The address of cudaGetLastError.</param>
internal sealed unsafe class CudaErrors(nint getLastError)
{
    /// <summary>Tells whether a call succeeded. Its error is taken away: it would wait there, and libtorch take it for one of its own.</summary>
    /// <param name="error">What the call returned; 0: no error.</param>
    public bool Succeeds(int error)
    {
        if (error != 0)
        {
            _ = ((delegate* unmanaged<int>)getLastError)();
        }

        return error == 0;
    }
}
