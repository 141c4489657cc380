namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>Prompts to the denoiser's condition.</summary>
internal interface IPromptEncoder : IDisposable
{
    /// <summary>The text network.</summary>
    nn.Module Network { get; }

    /// <summary>Token ids, int64 [B, L].</summary>
    Tensor Tokens(IReadOnlyList<string> prompts);

    /// <summary>[B, L, D]. The empty prompt is a prompt like any other.</summary>
    Tensor Encode(IReadOnlyList<string> prompts);

    /// <summary>How many tokens of the prompt do not fit and are cut.</summary>
    int CountTruncated(string prompt);
}
