using Microsoft.ML.VideoAlignment.Models;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The text encoder with a mask of cases that give embeddings.</summary>
internal sealed class NoTexts : ITextStateEncoder
{
    public Device Device => CPU;

    public int Length => 0;

    public TextStates Encode(IReadOnlyList<string> prompts) => throw new InvalidOperationException("embeddings are given");

    public int CountTruncated(string prompt) => 0;

    public void MoveTo(Device device)
    {
    }

    public void Release()
    {
    }

    public void Dispose()
    {
    }
}
