using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A model on the hub, "owner/name", at a revision. Both become parts of paths and addresses, so nothing but plain names is let through.</summary>
internal sealed partial record HubModel
{
    private HubModel(string id, string revision) => (Id, Revision) = (id, revision);

    public string Id { get; }

    public string Revision { get; }

    /// <summary>The commit, where the revision is one.</summary>
    public string? Commit => CommitForm().IsMatch(Revision) ? Revision : null;

    /// <summary>Whether a text can be a model's id; a path that is not there can look like one.</summary>
    public static bool IsId(string text) => IdForm().IsMatch(text) && IsPlain(text) && !text.Contains("--", StringComparison.Ordinal);

    /// <exception cref="ArgumentException">The id or the revision is not plain.</exception>
    public static HubModel Parse(string id, string revision) =>
        !IsId(id) ? throw new ArgumentException($"'{id}' is no model id; expected owner/name in letters, digits, '-', '_' and '.'.", nameof(id))
        : !RevisionForm().IsMatch(revision) || !IsPlain(revision) ? throw new ArgumentException($"'{revision}' is no revision; expected a branch, a tag or a commit.", nameof(revision))
        : new HubModel(id, revision);

    /// <summary>Whether a file's name from the hub stays inside the folder it is to go to.</summary>
    public static bool IsPlain(string path) =>
        path.Length is > 0 and < 512 && path.AsSpan().IndexOfAny("\\:\0") < 0 && path.Split('/').All(part => part is not ("" or "." or "..") && !part.Any(char.IsControl));

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}\z")]
    private static partial Regex IdForm();

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}\z")]
    private static partial Regex RevisionForm();

    [GeneratedRegex(@"^[0-9a-f]{40}\z")]
    private static partial Regex CommitForm();
}

/// <summary>A file of a model.</summary>
/// <param name="Path">Inside the model, with '/'.</param>
/// <param name="Size">In bytes; null: the listing does not say.</param>
/// <param name="Hash">SHA-256 of the content (64 digits) or Git's SHA-1 of the blob (40 digits), lower case; null: the listing does not say.</param>
internal sealed record HubFile(string Path, long? Size, string? Hash);
