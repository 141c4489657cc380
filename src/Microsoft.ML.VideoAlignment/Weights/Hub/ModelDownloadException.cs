namespace Microsoft.ML.VideoAlignment;

/// <summary>A model of the hub that is not in the local cache and could not be fetched. The message says what to do instead.</summary>
public sealed class ModelDownloadException : IOException
{
    /// <summary>Names the model and what is wrong.</summary>
    /// <param name="model">"owner/name".</param>
    /// <param name="problem">What is wrong, and what to do.</param>
    /// <param name="innerException">The error underneath, if there was one.</param>
    public ModelDownloadException(string model, string problem, Exception? innerException = null)
        : base($"{model}: {problem}", innerException) => Model = model;

    /// <summary>"owner/name".</summary>
    public string Model { get; }
}
