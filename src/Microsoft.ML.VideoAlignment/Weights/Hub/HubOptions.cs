namespace Microsoft.ML.VideoAlignment;

/// <summary>Options for finding a model named "owner/name": in the local cache of the Hugging Face hub, or by download into it.</summary>
/// <remarks>
/// The hub's own variables mean what they mean to its tools: token (HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, the file of a login), cache (HF_HUB_CACHE,
/// HF_HOME, XDG_CACHE_HOME), HF_ENDPOINT, HF_HUB_OFFLINE.
/// </remarks>
public sealed record HubOptions
{
    /// <summary>The branch, tag or commit. Default: main.</summary>
    public string Revision { get; init; } = "main";

    /// <summary>Whether to use only the cache. Default: false; the variables HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE (1, on, yes, true) mean true.</summary>
    public bool Offline { get; init; }

    /// <summary>The folder of the cache; "~" and variables are expanded. Default: null, the folder of the hub's own tools.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Receives the progress of downloads, a few times a second. Default: null.</summary>
    public IProgress<DownloadProgress>? Progress { get; init; }
}
