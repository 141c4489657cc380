namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Whether a GPU's float32 products and convolutions round their factors to TensorFloat-32. It is a setting of the process, which a run makes and takes back;
/// libtorch's own default is to round in convolutions alone.
/// </summary>
internal sealed class TensorFloat32 : IDisposable
{
    private readonly bool _products = backends.cuda.matmul.allow_tf32;
    private readonly bool _convolutions = backends.cudnn.allow_tf32;

    private TensorFloat32()
    {
    }

    /// <summary>Sets it, until disposed.</summary>
    /// <param name="allowed">Whether factors may be rounded.</param>
    /// <returns>The end of it, at which the setting before comes back.</returns>
    public static IDisposable Begin(bool allowed)
    {
        var before = new TensorFloat32();
        Set(allowed, allowed);
        return before;
    }

    public void Dispose() => Set(_products, _convolutions);

    private static void Set(bool products, bool convolutions) =>
        (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32) = (products, convolutions);
}
