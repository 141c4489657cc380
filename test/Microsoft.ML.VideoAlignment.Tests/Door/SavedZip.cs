using System.IO.Compression;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A saved model as a stranger may have changed it.</summary>
internal static class SavedZip
{
    /// <summary>The archive with the contents of some entries replaced, and everything else as it was.</summary>
    /// <param name="zip">A saved model.</param>
    /// <param name="change">From an entry's name, without folders, and its content to the new content; null: leave it out.</param>
    /// <param name="level">How the entries are packed.</param>
    public static byte[] Change(byte[] zip, Func<string, byte[], byte[]?> change, CompressionLevel level = CompressionLevel.Optimal)
    {
        var result = new MemoryStream();
        using (var from = new ZipArchive(new MemoryStream(zip), ZipArchiveMode.Read))
        using (var to = new ZipArchive(result, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (ZipArchiveEntry entry in from.Entries)
            {
                using var bytes = new MemoryStream();
                using (Stream content = entry.Open())
                {
                    content.CopyTo(bytes);
                }

                if (change(entry.FullName.Split('/', '\\')[^1], bytes.ToArray()) is { } changed)
                {
                    using Stream copy = to.CreateEntry(entry.FullName, level).Open();
                    copy.Write(changed);
                }
            }
        }

        return result.ToArray();
    }

    /// <summary>The archive with a text replaced in an entry, which must hold it.</summary>
    /// <param name="zip">A saved model.</param>
    /// <param name="name">The entry's name without folders.</param>
    /// <param name="old">What stands there.</param>
    /// <param name="text">What is to stand there.</param>
    public static byte[] Replace(byte[] zip, string name, string old, string text) => Change(zip, (entry, content) =>
    {
        if (entry != name)
        {
            return content;
        }

        // A reward's reference is a text with its length in front; settings are the text alone.
        bool counted = name == "reward.json";
        using var reader = new BinaryReader(new MemoryStream(content));
        string before = counted ? reader.ReadString() : Encoding.UTF8.GetString(content);
        Assert.That(before, Does.Contain(old));
        string after = before.Replace(old, text, StringComparison.Ordinal);
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        if (counted)
        {
            writer.Write(after);
        }
        else
        {
            writer.Write(Encoding.UTF8.GetBytes(after));
        }

        return stream.ToArray();
    });

    /// <summary>The messages of the error that loading ends in, and of its causes: ML.NET wraps what a loader throws.</summary>
    /// <param name="context">The context that loads.</param>
    /// <param name="zip">A saved model.</param>
    public static string Refusal(MLContext context, byte[] zip)
    {
        var messages = new StringBuilder();
        for (Exception? error = Assert.Catch(() => Load(context, zip).Dispose()); error is not null; error = error.InnerException)
        {
            messages.AppendLine(error.Message);
        }

        return messages.ToString();
    }

    /// <summary>Loads a saved model, which the caller disposes.</summary>
    /// <param name="context">The context that loads.</param>
    /// <param name="zip">A saved model.</param>
    public static IDisposable Load(MLContext context, byte[] zip) => (IDisposable)context.Model.Load(new MemoryStream(zip), out _);
}
