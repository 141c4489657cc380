namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Prompts to the states of a text encoder whose padding is masked out.</summary>
internal interface ITextStateEncoder : IDisposable
{
    /// <summary>Where the states are.</summary>
    Device Device { get; }

    /// <summary>Tokens in a row, L.</summary>
    int Length { get; }

    /// <summary>States and mask of all prompts; the caller owns them. Rows of padding have no meaning.</summary>
    TextStates Encode(IReadOnlyList<string> prompts);

    /// <summary>How many tokens of the prompt do not fit and are cut.</summary>
    int CountTruncated(string prompt);

    /// <summary>Where weights go from now on, and states.</summary>
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
