using Microsoft.ML;

namespace Examples;

/// <summary>Whether a saved model, loaded as another program would, makes the film that was shown.</summary>
internal static class Reload
{
    public static bool GivesTheSameFilm(string path, IDataView unseen, Film first)
    {
        var mlContext = new MLContext { GpuDeviceId = 0, FallbackToCpu = true };
        mlContext.RegisterVideoAlignment();
        ITransformer loaded = mlContext.Model.Load(path, out _);
        using var owner = loaded as IDisposable;
        IDataView one = loaded.Transform(mlContext.Data.TakeRows(unseen, 1));
        FilmRow film = mlContext.Data.CreateEnumerable<FilmRow>(one, reuseRowObject: false).Single();
        return film.Video.AsSpan().SequenceEqual(first.After);
    }

    private sealed class FilmRow
    {
        public float[] Video { get; set; } = [];
    }
}
