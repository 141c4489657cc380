namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// How a model named "owner/name" is found: in the local cache of the Hugging Face hub, and where a network is there, by download into it. An access token is
/// read from the environment variable HF_TOKEN, the cache's place from HF_HUB_CACHE or HF_HOME, the hub's address from HF_ENDPOINT.
/// </summary>
public sealed record HubOptions
{
    /// <summary>Branch, tag or commit. Default: main.</summary>
    public string Revision { get; init; } = "main";

    /// <summary>Whether to look in the cache only. Default: false, or true where the environment variable HF_HUB_OFFLINE is 1.</summary>
    public bool Offline { get; init; }

    /// <summary>The cache's folder. Default: where the hub's own tools have it.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Hears of downloads, a few times a second. Default: nobody.</summary>
    public IProgress<DownloadProgress>? Progress { get; init; }
}
