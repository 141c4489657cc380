namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Prompts to text states, all of whose tokens the denoiser reads.</summary>
internal interface IPromptEncoder : IDisposable
{
    /// <summary>The text network.</summary>
    nn.Module Network { get; }

    /// <summary>Gives token ids.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <returns>int64 [B, L].</returns>
    Tensor Tokens(IReadOnlyList<string> prompts);

    /// <summary>Encodes prompts. The empty prompt is a prompt like any other.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <returns>[B, L, D].</returns>
    Tensor Encode(IReadOnlyList<string> prompts);

    /// <summary>Counts the tokens of a prompt that do not fit and are cut.</summary>
    /// <param name="prompt">The prompt.</param>
    int CountTruncated(string prompt);

    /// <summary>Moves the network, and the states that it makes from now on.</summary>
    /// <param name="device">Where to.</param>
    void MoveTo(Device device);
}
