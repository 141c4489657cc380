using Microsoft.ML;

namespace Examples;

/// <summary>Checks a saved model by loading it as another program would.</summary>
internal static class Reload
{
    /// <summary>Tells whether the saved model makes the same video, bit for bit.</summary>
    /// <param name="path">The saved model.</param>
    /// <param name="unseen">The prompts; the first is generated.</param>
    /// <param name="first">The video of the first prompt.</param>
    public static bool GivesTheSameVideo(string path, IDataView unseen, ShapesVideo first)
    {
        var mlContext = new MLContext { GpuDeviceId = 0, FallbackToCpu = true };
        mlContext.RegisterVideoAlignment();
        ITransformer loaded = mlContext.Model.Load(path, out _);
        using var owner = loaded as IDisposable;
        IDataView one = loaded.Transform(mlContext.Data.TakeRows(unseen, 1));
        VideoRow video = mlContext.Data.CreateEnumerable<VideoRow>(one, reuseRowObject: false).Single();
        return video.Video.AsSpan().SequenceEqual(first.After);
    }

    private sealed class VideoRow
    {
        public float[] Video { get; set; } = [];
    }
}
