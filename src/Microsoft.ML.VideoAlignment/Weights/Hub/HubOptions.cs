namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// How a model named "owner/name" is found: in the local cache of the Hugging Face hub, and where a network is there, by download into it. The hub's own variables mean what they mean to its
/// tools: token (HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, the file of a login), cache (HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME), HF_ENDPOINT, HF_HUB_OFFLINE.
/// </summary>
public sealed record HubOptions
{
    /// <summary>Branch, tag or commit. Default: main.</summary>
    public string Revision { get; init; } = "main";

    /// <summary>Whether to look in the cache only. Default: false; the variables HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE (1, on, yes, true) mean true.</summary>
    public bool Offline { get; init; }

    /// <summary>The cache's folder; "~" and variables are put in. Default: null, where the hub's own tools have it.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Receives the progress of downloads, a few times a second. Default: null.</summary>
    public IProgress<DownloadProgress>? Progress { get; init; }
}
