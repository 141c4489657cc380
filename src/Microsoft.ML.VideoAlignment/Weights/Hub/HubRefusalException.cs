using System.Net;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>The hub answered that it does not answer this request, or not now.</summary>
/// <param name="message">What it means, and what to try.</param>
/// <param name="status">The hub's status code.</param>
/// <param name="wait">How long the hub asks to wait before the next request; null: it does not say.</param>
internal sealed class HubRefusalException(string message, HttpStatusCode status, TimeSpan? wait) : HttpRequestException(message, null, status)
{
    /// <summary>How long the hub asks to wait before the next request; null: it does not say.</summary>
    public TimeSpan? Wait { get; } = wait;
}
