namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// The folder of a run (<see cref="VideoAlignmentOptions.RunFolder"/>) cannot be used: it cannot be written, another run is using it, it is that of a run that this one
/// cannot go on with, or none of its states can be read.
/// </summary>
public sealed class RunFolderException : IOException
{
    /// <summary>Names the folder or file and what is wrong with it.</summary>
    /// <param name="location">The path of the folder, or of a file in it.</param>
    /// <param name="problem">What is wrong, and what to try.</param>
    /// <param name="innerException">The error underneath, if there was one.</param>
    public RunFolderException(string location, string problem, Exception? innerException = null)
        : base($"{location}: {problem}", innerException) => Location = location;

    /// <summary>The path of the folder, or of a file in it.</summary>
    public string Location { get; }
}
