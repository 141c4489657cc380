namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Prompts to the states of a text encoder whose padding is masked out.</summary>
internal interface ITextStateEncoder : IDisposable
{
    /// <summary>Where the states are.</summary>
    Device Device { get; }

    /// <summary>Tokens in a row at most, L.</summary>
    int Length { get; }

    /// <summary>Bytes that the weights take while prompts are encoded; 0: there are none.</summary>
    long WeightBytes => 0;

    /// <summary>Encodes prompts. Rows of padding have no meaning.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <returns>States and mask, which the caller owns.</returns>
    TextStates Encode(IReadOnlyList<string> prompts);

    /// <summary>Counts the tokens of a prompt that do not fit and are cut.</summary>
    /// <param name="prompt">The prompt.</param>
    int CountTruncated(string prompt);

    /// <summary>Moves the weights, and the states that are made from now on.</summary>
    /// <param name="device">Where to.</param>
    void MoveTo(Device device);

    /// <summary>Frees the weights; the next call that needs them reads them again.</summary>
    void Release();
}

/// <summary>What a text encoder makes of a batch of prompts.</summary>
/// <param name="States">float32 [B, L, D].</param>
/// <param name="Mask">int64 [B, L], 1 on tokens, 0 on padding.</param>
internal sealed record TextStates(Tensor States, Tensor Mask) : IDisposable
{
    public void Dispose()
    {
        States.Dispose();
        Mask.Dispose();
    }
}
