namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A reader of what others wrote.</summary>
/// <param name="Name">What it reads.</param>
/// <param name="Seeds">Inputs that it reads without an error; mutants are made of them.</param>
/// <param name="Read">Reads an input to its end. The folder is the reader's own; what it writes there for one input is overwritten by the next.</param>
/// <param name="Documented">The types of exceptions that the reader promises, derived types included.</param>
internal sealed record FuzzReader(string Name, IReadOnlyList<byte[]> Seeds, Action<TemporaryFolder, byte[]> Read, params Type[] Documented)
{
    /// <summary>Words of the format, beside those that every text format has.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];

    /// <summary>
    /// Whether ML.NET stands between the reader and the caller: what ML.NET itself throws at a damaged archive is not this library's to document, what is
    /// thrown in this library's code is.
    /// </summary>
    public bool ThroughMlNet { get; init; }

    /// <summary>A reader of a file.</summary>
    /// <param name="name">What it reads.</param>
    /// <param name="file">The file's name.</param>
    /// <param name="read">Reads the file of this path.</param>
    /// <param name="seeds">Contents that it reads without an error.</param>
    /// <param name="documented">The types of exceptions that the reader promises; none: a fault of weights.</param>
    public static FuzzReader OfFile(string name, string file, Action<string> read, byte[][] seeds, params Type[] documented) =>
        new(name, seeds, (folder, content) => read(folder.Write(file, content)), documented.Length > 0 ? documented : [typeof(WeightFileException)]);

    /// <summary>Whether an exception is one of those that the reader promises.</summary>
    /// <param name="exception">What reading threw.</param>
    public bool Documents(Exception exception)
    {
        Exception? thrown = exception;
        while (ThroughMlNet && thrown is not null && !IsThrownHere(thrown))
        {
            thrown = thrown.InnerException;
        }

        return thrown is null || Documented.Any(type => type.IsInstanceOfType(thrown));
    }

    private static bool IsThrownHere(Exception exception) =>
        new System.Diagnostics.StackTrace(exception).GetFrames().Any(frame => frame.GetMethod()?.DeclaringType?.Assembly == typeof(VideoReward).Assembly);
}
