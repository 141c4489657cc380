namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Prompts to the denoiser's condition.</summary>
internal interface IPromptEncoder : IDisposable
{
    /// <summary>The text network.</summary>
    nn.Module Network { get; }

    /// <summary>Token ids, int64 [B, L].</summary>
    Tensor Tokens(IReadOnlyList<string> prompts);

    /// <summary>[B, L, D]. The empty prompt is a prompt like any other.</summary>
    Tensor Encode(IReadOnlyList<string> prompts);

    /// <summary>Counts the tokens of a prompt that do not fit and are cut.</summary>
    /// <param name="prompt">The prompt.</param>
    int CountTruncated(string prompt);

    /// <summary>Moves the network, and the states that it makes from now on.</summary>
    /// <param name="device">Where to.</param>
    void MoveTo(Device device);
}
