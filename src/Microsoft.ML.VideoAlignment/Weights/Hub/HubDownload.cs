using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Downloads one file into the cache's blobs. One process at a time fetches a blob; another waits, and uses the result.</summary>
/// <remarks>
/// The content is appended to HASH.incomplete, which a later try continues, checked by its hash, then renamed: a name without ".incomplete" is always a whole
/// file.
/// </remarks>
/// <param name="client">Sends the requests.</param>
/// <param name="cache">The cache that receives the blob.</param>
/// <param name="model">The model, for errors.</param>
/// <param name="pause">The time between two tries, and between two looks at a lock.</param>
/// <param name="silence">How long a connection may send nothing.</param>
internal sealed class HubDownload(HubClient client, HubCache cache, HubModel model, TimeSpan pause, TimeSpan silence)
{
    private const int Attempts = 5;
    private const int BufferBytes = 1 << 20;

    // A hub that asks for more is asked again by the user.
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(2);

    /// <summary>Fetches the file unless the cache has it.</summary>
    /// <param name="commit">The commit that the file belongs to.</param>
    /// <param name="file">The file, whose hash is known.</param>
    /// <param name="arrived">Receives the number of bytes of this file that are present, now and then.</param>
    /// <param name="cancellation">Ends the download; what has arrived stays, and the next try continues from there.</param>
    /// <exception cref="ModelDownloadException">The file did not arrive whole, or is not what the hub says it is.</exception>
    /// <exception cref="OperationCanceledException">The download was canceled.</exception>
    public async Task FetchAsync(string commit, HubFile file, Action<long> arrived, CancellationToken cancellation)
    {
        string partial = cache.PartialPath(file.Hash!);
        if (!cache.HasBlob(file))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(partial)!);
            string lockFile = cache.LockPath(file.Hash!);
            using IDisposable fileLock = await HubLock.AcquireAsync(lockFile, () => Waiting(partial, arrived), pause, cancellation).ConfigureAwait(false)
                ?? throw new ModelDownloadException(model.Id,
                    $"another process holds {lockFile}, to fetch {file.Path}, and makes no progress. "
                    + "End that process, or wait until it is done, and call again.");
            if (!cache.HasBlob(file))
            {
                await FetchAloneAsync(commit, file, partial, arrived, cancellation).ConfigureAwait(false);
            }
        }

        arrived(HubCache.GetLength(cache.BlobPath(file.Hash!)) ?? file.Size ?? 0);
    }

    private static long Waiting(string partial, Action<long> arrived)
    {
        var file = new FileInfo(partial);
        long bytes = file.Exists ? file.Length : 0;
        arrived(bytes);
        return bytes;
    }

    private async Task FetchAloneAsync(string commit, HubFile file, string partial, Action<long> arrived, CancellationToken cancellation)
    {
        // What an earlier try left may be damaged; after a wrong hash it is fetched from the start, once.
        bool resumed = HubCache.GetLength(partial) > 0;
        await CompleteAsync(commit, file, partial, arrived, cancellation).ConfigureAwait(false);
        string hash = HashOf(partial, file.Hash!.Length, cancellation);
        if (hash != file.Hash && resumed)
        {
            File.Delete(partial);
            await CompleteAsync(commit, file, partial, arrived, cancellation).ConfigureAwait(false);
            hash = HashOf(partial, file.Hash.Length, cancellation);
        }

        if (hash != file.Hash)
        {
            File.Delete(partial);
            throw new ModelDownloadException(model.Id,
                $"{file.Path} arrived with the hash {hash}, but the hub says {file.Hash}: it was damaged or changed on its way and has been deleted. "
                + "Try again, or over another network.");
        }

        File.Move(partial, cache.BlobPath(file.Hash), overwrite: true);
    }

    /// <summary>Tells how long to wait before the next try: as long as the hub asks, and not less than usual.</summary>
    /// <param name="failure">What ended the last try.</param>
    /// <param name="usual">The wait where the hub does not ask for more.</param>
    internal static TimeSpan Wait(Exception failure, TimeSpan usual) => failure is HubRefusalException { Wait: { } asked } && asked > usual ? asked : usual;

    private async Task CompleteAsync(string commit, HubFile file, string partial, Action<long> arrived, CancellationToken cancellation)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await AppendAsync(commit, file, partial, arrived, cancellation).ConfigureAwait(false);
                return;
            }
            catch (Exception exception) when (!cancellation.IsCancellationRequested && IsPassing(exception))
            {
                TimeSpan wait = Wait(exception, pause * attempt);
                if (attempt == Attempts || wait > s_longestWait)
                {
                    throw new ModelDownloadException(model.Id,
                        $"{file.Path} did not arrive whole in {attempt} {(attempt == 1 ? "try" : "tries")} ({exception.Message}). "
                        + $"{HubCache.GetLength(partial) ?? 0} bytes of it are kept; call again to continue.", exception);
                }

                await Task.Delay(wait, cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task AppendAsync(string commit, HubFile file, string partial, Action<long> arrived, CancellationToken cancellation)
    {
        using var target = new FileStream(partial, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        if (file.Size is { } size && target.Length >= size)
        {
            if (target.Length == size)
            {
                return;
            }

            target.SetLength(0);
        }

        using HttpResponseMessage response = await client.OpenAsync(commit, file, target.Length, cancellation).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            target.SetLength(0);
            throw new HttpIOException(HttpRequestError.InvalidResponse, "the hub cannot continue where the last try ended");
        }

        bool continues = response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From == target.Length;
        if (response.StatusCode == HttpStatusCode.PartialContent && !continues)
        {
            target.SetLength(0);
            throw new HttpIOException(HttpRequestError.InvalidResponse, "the hub sent another part than requested");
        }

        target.SetLength(continues ? target.Length : 0);
        target.Seek(0, SeekOrigin.End);
        await CopyAsync(response, target, file, arrived, cancellation).ConfigureAwait(false);
        long? announced = response.Content.Headers.ContentRange?.Length ?? (continues ? null : response.Content.Headers.ContentLength);
        long expected = file.Size ?? announced ?? target.Length;
        if (target.Length != expected)
        {
            bool tooLong = target.Length > expected;
            string lengths = $"{target.Length} bytes of {expected}";
            target.SetLength(tooLong ? 0 : target.Length);
            throw new HttpIOException(HttpRequestError.ResponseEnded, $"the connection ended after {lengths}");
        }
    }

    private async Task CopyAsync(HttpResponseMessage response, FileStream target, HubFile file, Action<long> arrived, CancellationToken cancellation)
    {
        // A connection that is silent for long is dead; the read then fails, and the next try continues from here.
        using var alive = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using Stream source = await response.Content.ReadAsStreamAsync(alive.Token).ConfigureAwait(false);
        byte[] buffer = new byte[BufferBytes];
        while (true)
        {
            alive.CancelAfter(silence);
            int count = await source.ReadAsync(buffer, alive.Token).ConfigureAwait(false);
            if (count == 0)
            {
                return;
            }

            Append(target, buffer.AsSpan(0, count), file);
            arrived(target.Length);
            if (target.Length > file.Size)
            {
                return;
            }
        }
    }

    private void Append(FileStream target, ReadOnlySpan<byte> bytes, HubFile file)
    {
        try
        {
            target.Write(bytes);
            target.Flush();
        }
        catch (IOException exception)
        {
            throw new ModelDownloadException(model.Id, $"{file.Path} cannot be written to {target.Name}: {exception.Message} "
                + "Free space there, or choose another cache by HF_HUB_CACHE, and call again to continue.", exception);
        }
    }

    // What may be over by the next try: a lost connection, a busy hub.
    private static bool IsPassing(Exception exception) => exception switch
    {
        ModelDownloadException or DirectoryNotFoundException or PathTooLongException => false,
        HttpRequestException request => request.StatusCode is null or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError,
        IOException or ObjectDisposedException or OperationCanceledException => true,
        _ => false,
    };

    // By the length of the expected hash: SHA-256, or Git's SHA-1 of "blob LENGTH\0" and the content.
    private static string HashOf(string path, int digits, CancellationToken cancellation)
    {
        using FileStream file = File.OpenRead(path);
#pragma warning disable CA5350 // Git's name of the file, given by the hub: it finds damage, not forgery.
        using var hash = IncrementalHash.CreateHash(digits == 64 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
#pragma warning restore CA5350
        hash.AppendData(digits == 64 ? [] : Encoding.ASCII.GetBytes($"blob {file.Length}\0"));
        byte[] buffer = new byte[BufferBytes];
        for (int count; (count = file.Read(buffer)) > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            hash.AppendData(buffer, 0, count);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
