using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>The local folder of a model of the hub.</summary>
internal static class HubFiles
{
    private static readonly TimeSpan s_reportEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// The folder of the model's files: of the newest commit of the revision where the hub can be asked, else the one in the cache. What is missing is fetched.
    /// </summary>
    /// <param name="id">"owner/name".</param>
    /// <param name="options">Revision, cache, progress.</param>
    /// <param name="variant">Such as "fp16", where the file names carry one.</param>
    /// <param name="network">What speaks HTTP; null: the network.</param>
    /// <param name="environment">Looks up environment variables; null: this process's.</param>
    /// <param name="pause">Between tries; null: seconds.</param>
    /// <exception cref="ModelDownloadException">The model is not in the cache and cannot be fetched.</exception>
    public static string Resolve(
        string id, HubOptions options, string? variant = null, HttpMessageHandler? network = null, Func<string, string?>? environment = null, TimeSpan? pause = null)
    {
        Func<string, string?> variables = environment ?? Environment.GetEnvironmentVariable;
        HubModel model = HubModel.Parse(id, options.Revision);
        var cache = new HubCache(options.CacheFolder ?? HubCache.DefaultFolder(variables), model);
        using var client = new HubClient(model, variables, network);
        if (options.Offline || variables("HF_HUB_OFFLINE") is "1" or "true" or "TRUE" or "ON" or "YES")
        {
            return cache.Snapshot() ?? throw NotThere(client, cache, model, "the hub is not asked, because offline was chosen", null);
        }

        try
        {
            return Fetch(client, cache, model, options, variant, pause ?? TimeSpan.FromSeconds(2));
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
        {
            return cache.Snapshot() ?? throw NotThere(client, cache, model, $"the hub cannot be reached ({exception.Message})", exception);
        }
    }

    private static string Fetch(HubClient client, HubCache cache, HubModel model, HubOptions options, string? variant, TimeSpan pause)
    {
        (string commit, IReadOnlyList<HubFile> files) = client.List();
        HubFile[] missing =
        [
            .. HubSelection.Choose(files, variant).Where(file => !cache.Has(commit, file))
                .Select(file => file.Hash is null || file.Size is null ? client.Describe(commit, file) : file),
        ];
        var download = new HubDownload(client, cache, model, pause);
        long total = missing.Sum(file => file.Size ?? 0);
        long before = 0;
        long reported = 0;
        foreach (HubFile file in missing)
        {
            download.Fetch(commit, file, bytes =>
            {
                if (reported == 0 || Stopwatch.GetElapsedTime(reported) >= s_reportEvery)
                {
                    reported = Stopwatch.GetTimestamp();
                    options.Progress?.Report(new DownloadProgress(file.Path, before + bytes, total));
                }
            });
            cache.Link(commit, file);
            before += file.Size ?? 0;
        }

        if (missing.Length > 0)
        {
            options.Progress?.Report(new DownloadProgress(missing[^1].Path, before, total));
        }

        cache.SetCommit(commit);
        return cache.SnapshotOf(commit);
    }

    private static ModelDownloadException NotThere(HubClient client, HubCache cache, HubModel model, string why, Exception? inner) => new(model.Id,
        $"revision '{model.Revision}' is not in the cache ({cache.Location}), and {why}. Where there is a network, fetch all files of {client.Page} (configurations and weights, "
        + $"folders included) into one folder and give that folder's path here; or copy the whole folder '{Path.GetFileName(cache.Location)}' of another machine's cache into "
        + $"{Path.GetDirectoryName(cache.Location)}. If '{model.Id}' is meant as a path, there is nothing at {Path.GetFullPath(model.Id)}.", inner);
}
