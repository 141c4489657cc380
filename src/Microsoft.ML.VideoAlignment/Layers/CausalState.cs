namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>What causal layers carry from one segment of a video to the next: the last frames that each of them took. It may carry gradient.</summary>
/// <param name="frames">[B, P, H, W, C] for each layer, in their order of use; they belong to this.</param>
internal sealed class CausalState(IReadOnlyList<Tensor> frames) : IDisposable
{
    /// <summary>The frames, [B, P, H, W, C] for each layer.</summary>
    public IReadOnlyList<Tensor> Frames => frames;

    public void Dispose()
    {
        foreach (Tensor tensor in frames)
        {
            tensor.Dispose();
        }
    }
}
