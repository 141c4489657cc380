using System.Diagnostics;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A file that one process at a time holds open, as the hub's own tools lock a blob that they fetch.</summary>
/// <remarks>The system releases it when its holder ends, however it ends; the file itself stays and means nothing.</remarks>
internal static class HubLock
{
    // How long a holder may show no progress.
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan s_shortestPause = TimeSpan.FromMilliseconds(20);

    // EAGAIN of Linux and of macOS, ERROR_SHARING_VIOLATION of Windows.
    private static readonly int[] s_heldByAnother = [11, 35, unchecked((int)0x80070020)];

    /// <summary>Waits while another process holds the file and makes progress, then holds it until the result is disposed.</summary>
    /// <param name="path">The file; it is created where it does not exist.</param>
    /// <param name="progress">Returns a number that changes as the holder makes progress.</param>
    /// <param name="pause">The time between two looks.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="patience">How long the holder may show no progress; null: ten minutes.</param>
    /// <returns>The lock; null where its holder shows no progress.</returns>
    public static async Task<IDisposable?> AcquireAsync(
        string path, Func<long> progress, TimeSpan pause, CancellationToken cancellation, TimeSpan? patience = null)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        (long seen, long since) = (progress(), Stopwatch.GetTimestamp());
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            if (TryOpen(path) is { } opened)
            {
                return opened;
            }

            await Task.Delay(pause > s_shortestPause ? pause : s_shortestPause, cancellation).ConfigureAwait(false);
            long now = progress();
            if (now != seen)
            {
                (seen, since) = (now, Stopwatch.GetTimestamp());
            }
            else if (Stopwatch.GetElapsedTime(since) > (patience ?? s_patience))
            {
                return null;
            }
        }
    }

    private static FileStream? TryOpen(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (s_heldByAnother.Contains(exception.HResult))
        {
            return null;
        }
    }
}
