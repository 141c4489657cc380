using Microsoft.ML;

namespace Examples;

/// <summary>Whether a saved model, loaded as another program would, makes the video that was shown.</summary>
internal static class Reload
{
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
