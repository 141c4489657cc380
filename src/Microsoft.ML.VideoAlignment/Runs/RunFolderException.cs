namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// The folder of a run (<see cref="RunControl.RunFolder"/>) cannot be used: it cannot be written, another run is using it, this run cannot resume
/// from its states, or none of them can be read.
/// </summary>
public sealed class RunFolderException : IOException
{
    /// <summary>Creates an error that names the folder or file and what is wrong with it.</summary>
    /// <param name="location">Path of the folder, or of a file in it.</param>
    /// <param name="problem">What is wrong, and what to try.</param>
    /// <param name="innerException">The underlying error; null: none.</param>
    public RunFolderException(string location, string problem, Exception? innerException = null)
        : base($"{location}: {problem}", innerException) => Location = location;

    /// <summary>Path of the folder, or of a file in it.</summary>
    public string Location { get; }
}
