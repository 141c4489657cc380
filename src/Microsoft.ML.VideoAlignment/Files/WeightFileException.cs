namespace Microsoft.ML.VideoAlignment;

/// <summary>A weight file cannot be used: it is missing, truncated, damaged, of another kind, hostile, or does not hold the weights of this network.</summary>
/// <remarks>Everything that reads weights throws this type and no other, before it hands out any tensor of the file or changes any parameter.</remarks>
public sealed class WeightFileException : IOException
{
    /// <summary>Creates an exception that names the file and what is wrong with it.</summary>
    /// <param name="location">The path of the file or folder.</param>
    /// <param name="problem">What is wrong, and where in the file.</param>
    /// <param name="innerException">The cause; null: none.</param>
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
