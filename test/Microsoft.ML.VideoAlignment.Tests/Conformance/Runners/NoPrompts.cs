using Microsoft.ML.VideoAlignment.Models;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The text encoder of cases that give embeddings.</summary>
internal sealed class NoPrompts : IPromptEncoder
{
    public nn.Module Network { get; } = nn.Identity();

    public Tensor Tokens(IReadOnlyList<string> prompts) => throw new InvalidOperationException("embeddings are given");

    public Tensor Encode(IReadOnlyList<string> prompts) => throw new InvalidOperationException("embeddings are given");

    public int CountTruncated(string prompt) => 0;

    public void MoveTo(Device device) => Network.to(device);

    public void Dispose() => Network.Dispose();
}
