namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// A weight file that cannot be used: missing, truncated, damaged, of another kind, hostile, or not the weights of this network. The one exception
/// type of everything that reads weights; it comes before any tensor of the file is handed out or any parameter is changed.
/// </summary>
public sealed class WeightFileException : IOException
{
    /// <summary>Names the file and what is wrong with it.</summary>
    /// <param name="location">The path of the file or folder.</param>
    /// <param name="problem">What is wrong, and where in the file.</param>
    /// <param name="innerException">The error underneath, if there was one.</param>
    public WeightFileException(string location, string problem, Exception? innerException = null)
        : base($"{location}: {problem}", innerException)
    {
        Location = location;
        Problem = problem;
    }

    /// <summary>The path of the file or folder.</summary>
    public string Location { get; }

    /// <summary>What is wrong, and where in the file.</summary>
    public string Problem { get; }
}
