using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Finds or downloads the files of a model on the hub.</summary>
internal static class HubFiles
{
    private static readonly TimeSpan s_reportEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>Like <see cref="ResolveAsync"/>, but blocks the calling thread.</summary>
    /// <inheritdoc cref="ResolveAsync"/>
    public static string Resolve(
        string id, HubOptions options, string? variant = null, HttpMessageHandler? network = null, Func<string, string?>? environment = null,
        TimeSpan? pause = null,
        HubAdmission? admit = null, CancellationToken cancellation = default) =>
        ResolveAsync(id, options, variant, network, environment, pause, admit, cancellation: cancellation).GetAwaiter().GetResult();

    /// <summary>
    /// Returns the folder of a model's files, at the newest commit of the revision that the hub names, else at the one in the cache. Missing files are fetched,
    /// small ones first.
    /// </summary>
    /// <param name="id">"owner/name".</param>
    /// <param name="options">Revision, cache, progress.</param>
    /// <param name="variant">The variant in the files' names, such as "fp16"; null: none.</param>
    /// <param name="network">Sends HTTP requests; null: the network.</param>
    /// <param name="environment">Looks up environment variables; null: those of this process.</param>
    /// <param name="pause">The time between tries; null: two seconds.</param>
    /// <param name="admit">Called before large files are fetched, and throws where the model cannot be opened; null: any model is fetched.</param>
    /// <param name="freeBytes">The free bytes on the disk of a folder; null: as the system reports.</param>
    /// <param name="cancellation">Ends the download; what has arrived stays, and the next call continues from there.</param>
    /// <exception cref="ModelDownloadException">The model is not in the cache and cannot be fetched.</exception>
    /// <exception cref="OperationCanceledException">The download was canceled.</exception>
    public static async Task<string> ResolveAsync(
        string id, HubOptions options, string? variant = null, HttpMessageHandler? network = null, Func<string, string?>? environment = null,
        TimeSpan? pause = null,
        HubAdmission? admit = null, Func<string, long?>? freeBytes = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        var variables = new HubEnvironment(environment ?? Environment.GetEnvironmentVariable);
        HubModel model = HubModel.Parse(id, options.Revision);
        string folder = options.CacheFolder is { } chosen ? variables.Expand(chosen) : variables.CacheFolder;
        var cache = new HubCache(folder, model);
        using var client = new HubClient(model, variables, network);
        if (options.Offline || variables.IsOffline)
        {
            return cache.FindSnapshot() ?? throw NotThere(client, cache, model, "the hub is not asked, because offline was chosen", null);
        }

        try
        {
            var download = new HubDownload(client, cache, model, pause ?? TimeSpan.FromSeconds(2), variables.DownloadTimeout);
            return await FetchAsync(client, cache, model, options, variant, download, admit, freeBytes ?? DiskSpace.GetFreeBytes, cancellation)
                .ConfigureAwait(false);
        }
        catch (Exception exception)
            when (exception is HttpRequestException || (exception is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return cache.FindSnapshot() ?? throw (exception is HttpRequestException { StatusCode: not null }
                ? new ModelDownloadException(
                    model.Id, $"revision '{model.Revision}' is not in the cache ({cache.Location}), and {exception.Message}", exception)
                : NotThere(client, cache, model, $"the hub cannot be reached ({Reason(exception, variables)})", exception));
        }
    }

    private static async Task<string> FetchAsync(
        HubClient client, HubCache cache, HubModel model, HubOptions options, string? variant, HubDownload download, HubAdmission? admit,
        Func<string, long?> freeBytes, CancellationToken cancellation)
    {
        (string commit, IReadOnlyList<HubFile> files) = await client.ListAsync(cancellation).ConfigureAwait(false);
        if (HubSelection.FindVariantProblem(files, variant) is { } fault)
        {
            throw new ModelDownloadException(model.Id, fault);
        }

        IReadOnlyList<HubFile> chosen = HubSelection.Choose(files, variant);
        if (chosen.Count == 0)
        {
            string found = files.Count == 0 ? "no file" : $"{string.Join(", ", files.Take(5).Select(file => file.Path))}{(files.Count > 5 ? ", ..." : "")}";
            throw new ModelDownloadException(
                model.Id, $"the hub has no model there at revision '{model.Revision}': looked for configurations and weights, found {found}. "
                + $"Check the name and the revision at {client.Page}.");
        }

        var missing = new List<HubFile>();
        foreach (HubFile file in chosen.Where(file => !cache.Has(commit, file)).OrderBy(file => !HubSelection.IsSmall(file)))
        {
            missing.Add(file.Hash is null || file.Size is null ? await client.DescribeAsync(commit, file, cancellation).ConfigureAwait(false) : file);
        }

        var progress = new Progress(options.Progress, missing.Sum(file => file.Size ?? 0));
        bool admitted = false;
        foreach (HubFile file in missing)
        {
            if (!admitted && !HubSelection.IsSmall(file))
            {
                admitted = true;
                admit?.Invoke(cache.SnapshotPath(commit), [.. chosen.Select(wanted => wanted.Path)]);
                RequireSpace(cache, model, [.. missing.Where(left => !HubSelection.IsSmall(left))], freeBytes);
            }

            await download.FetchAsync(commit, file, bytes => progress.Report(file, bytes), cancellation).ConfigureAwait(false);
            cache.Link(commit, file);
            progress.Finish(file);
        }

        progress.End();
        cache.SetCommit(commit);
        return cache.SnapshotPath(commit);
    }

    private static string Reason(Exception exception, HubEnvironment variables) => exception is OperationCanceledException
        ? $"no answer in {variables.AnswerTimeout.TotalSeconds:0.###} seconds; HF_HUB_ETAG_TIMEOUT allows more"
        : exception.Message.TrimEnd('.');

    private static void RequireSpace(HubCache cache, HubModel model, IReadOnlyList<HubFile> files, Func<string, long?> freeBytes)
    {
        long needed = files.Where(file => !cache.HasBlob(file))
            .Sum(file => Math.Max(0, (file.Size ?? 0) - (HubCache.GetLength(cache.PartialPath(file.Hash!)) ?? 0)));
        if (freeBytes(cache.Location) is { } free && needed > free)
        {
            throw new ModelDownloadException(model.Id, string.Create(CultureInfo.InvariantCulture,
                $"{needed / 1e9:0.##} GB are still to be fetched into {cache.Location}, and {free / 1e9:0.##} GB are free there. "
                + $"Free space, or choose another cache by HF_HUB_CACHE or {nameof(HubOptions)}.{nameof(HubOptions.CacheFolder)}."));
        }
    }

    private static ModelDownloadException NotThere(HubClient client, HubCache cache, HubModel model, string why, Exception? inner) => new(model.Id,
        $"revision '{model.Revision}' is not in the cache ({cache.Location}), and {why}. Where there is a network, fetch all files of {client.Page} "
        + "(configurations and weights, folders included) into one folder and pass that folder's path here; or copy the whole folder "
        + $"'{Path.GetFileName(cache.Location)}' of another machine's cache into {Path.GetDirectoryName(cache.Location)}. "
        + $"If '{model.Id}' is meant as a path, there is nothing at {Path.GetFullPath(model.Id)}.", inner);

    // Reports the bytes of all files of one download, a few times a second.
    private sealed class Progress(IProgress<DownloadProgress>? listener, long total)
    {
        private long _finished;
        private long _reported;
        private string? _last;

        public void Report(HubFile file, long bytes)
        {
            _last = file.Path;
            if (_reported == 0 || Stopwatch.GetElapsedTime(_reported) >= s_reportEvery)
            {
                _reported = Stopwatch.GetTimestamp();
                listener?.Report(new DownloadProgress(file.Path, _finished + Math.Min(bytes, file.Size ?? bytes), total));
            }
        }

        public void Finish(HubFile file) => _finished += file.Size ?? 0;

        public void End()
        {
            if (_last is not null)
            {
                listener?.Report(new DownloadProgress(_last, _finished, total));
            }
        }
    }
}

/// <summary>Decides from a model's small files whether its large ones are worth fetching; throws where they are not.</summary>
/// <param name="folder">The folder that holds the small files.</param>
/// <param name="names">Every file that is present or will be fetched, with '/' in the names.</param>
internal delegate void HubAdmission(string folder, IReadOnlyCollection<string> names);
