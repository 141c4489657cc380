namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Hands every step on at once, in the thread that trains.</summary>
internal sealed class Reported(Action<VideoAlignmentProgress> take) : IProgress<VideoAlignmentProgress>
{
    public void Report(VideoAlignmentProgress value) => take(value);
}
