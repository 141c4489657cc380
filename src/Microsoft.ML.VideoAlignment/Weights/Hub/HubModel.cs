using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A model on the hub, "owner/name", at a revision. Both become parts of paths and addresses, so only plain names are accepted.</summary>
internal sealed partial record HubModel
{
    private HubModel(string id, string revision) => (Id, Revision) = (id, revision);

    public string Id { get; }

    public string Revision { get; }

    /// <summary>The commit, where the revision is one; else null.</summary>
    public string? Commit => CommitForm().IsMatch(Revision) ? Revision : null;

    /// <summary>Whether a text can be a model's id; the path of a missing file can look like one.</summary>
    /// <param name="text">The text.</param>
    public static bool IsId(string text) => IdForm().IsMatch(text) && IsSafePath(text) && !text.Contains("--", StringComparison.Ordinal);

    /// <summary>Parses an id and a revision.</summary>
    /// <param name="id">"owner/name".</param>
    /// <param name="revision">A branch, a tag or a commit.</param>
    /// <exception cref="ArgumentException">The id or the revision is not plain.</exception>
    public static HubModel Parse(string id, string revision) =>
        !IsId(id) ? throw new ArgumentException($"'{id}' is not a model id; expected owner/name in letters, digits, '-', '_' and '.'.", nameof(id))
        : !RevisionForm().IsMatch(revision) || !IsSafePath(revision)
            ? throw new ArgumentException($"'{revision}' is not a revision; expected a branch, a tag or a commit.", nameof(revision))
        : new HubModel(id, revision);

    /// <summary>Whether a file's name on the hub stays inside the folder that it is written to.</summary>
    /// <param name="path">The name, with '/'.</param>
    public static bool IsSafePath(string path) =>
        path.Length is > 0 and < 512 && path.AsSpan().IndexOfAny("\\:\0") < 0
        && path.Split('/').All(part => part is not ("" or "." or "..") && !part.Any(char.IsControl));

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}\z")]
    private static partial Regex IdForm();

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}\z")]
    private static partial Regex RevisionForm();

    [GeneratedRegex(@"^[0-9a-f]{40}\z")]
    private static partial Regex CommitForm();
}

/// <summary>A file of a model.</summary>
/// <param name="Path">The path inside the model, with '/'.</param>
/// <param name="Size">The size in bytes; null where the listing does not say.</param>
/// <param name="Hash">The SHA-256 of the content (64 digits) or Git's SHA-1 of the blob (40 digits), lower case; null where the listing does not say.</param>
internal sealed record HubFile(string Path, long? Size, string? Hash);
