using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What a hub answers when it is asked for a model's files; the files themselves are sound.</summary>
internal static class HubReaders
{
    public static IEnumerable<FuzzReader> All()
    {
        var hub = new FakeHub();
        using var client = new HttpMessageInvoker(hub, disposeHandler: false);
        using HttpResponseMessage answer =
            client.Send(new HttpRequestMessage(HttpMethod.Get, "https://huggingface.co/api/models/owner/a-model/revision/main?blobs=true"), default);
        using var listing = new MemoryStream();
        answer.Content.ReadAsStream().CopyTo(listing);
        yield return new FuzzReader("listing of a hub", [listing.ToArray()], (folder, content) =>
        {
            using var network = new Listing(content);
            HubFiles.Resolve("owner/a-model", new HubOptions { CacheFolder = folder.Path("cache") }, network: network, environment: _ => null,
                pause: TimeSpan.Zero);
        }, typeof(ModelDownloadException))
        { Words = ["siblings", "rfilename", "../x", "lfs", "sha256", "blobId", "model.safetensors", "sha", FakeHub.Commit] };
    }

    private sealed class Listing(byte[] content) : DelegatingHandler(new FakeHub())
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.RequestUri!.AbsolutePath.StartsWith("/api/", StringComparison.Ordinal))
            {
                return Task.FromResult(new HttpResponseMessage { Content = new ByteArrayContent(content), RequestMessage = request });
            }

            try
            {
                return base.SendAsync(request, cancellationToken);
            }
            catch (ArgumentOutOfRangeException)
            {
                // The listing says that a file is longer than it is, and what is behind its end was asked for.
                return Task.FromResult(new HttpResponseMessage(System.Net.HttpStatusCode.RequestedRangeNotSatisfiable) { RequestMessage = request });
            }
        }
    }
}
