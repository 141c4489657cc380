namespace Microsoft.ML.VideoAlignment;

/// <summary>A model of the hub is not in the local cache and could not be fetched. The message says what to do instead.</summary>
public sealed class ModelDownloadException : IOException
{
    /// <summary>Creates an exception that names the model and what is wrong.</summary>
    /// <param name="model">"owner/name".</param>
    /// <param name="problem">What is wrong, and what to do.</param>
    /// <param name="innerException">The cause; null: none.</param>
    public ModelDownloadException(string model, string problem, Exception? innerException = null)
        : base($"{model}: {problem}", innerException) => Model = model;

    /// <summary>The model, "owner/name".</summary>
    public string Model { get; }
}
