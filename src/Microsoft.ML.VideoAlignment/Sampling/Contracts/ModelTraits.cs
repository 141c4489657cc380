using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>What every model of a family has in common beside its networks.</summary>
internal sealed record ModelTraits
{
    /// <summary>The family's one name, such as "ModelScope".</summary>
    public required string Family { get; init; }

    /// <summary>What videos are made from.</summary>
    public ImageUse Images { get; init; }

    /// <summary>Whether the last sampler steps hardly move the video, so that a gradient window should not be made of them.</summary>
    public bool LastStepIsInert { get; init; }

    /// <summary>Whether guidance can lead away from a text of the user's.</summary>
    public bool TakesNegativePrompt { get; init; } = true;

    /// <summary>Whether guidance acts at any scale but 1; else it acts above 1 alone, as in diffusers.</summary>
    public bool GuidesBelowOne { get; init; }

    /// <summary>Whether the text encoder is opened when a text needs it, so that freeing it costs no more than opening it again.</summary>
    public bool ReopensTextEncoder { get; init; }

    /// <summary>Whether the decoder's activations leave the range of float16 (diffusers, <c>force_upcast</c>).</summary>
    public bool DecoderExceedsFloat16 { get; init; }

    /// <summary>The denoiser's names of the layers that LoRA adapts.</summary>
    public LoraVocabulary Lora { get; init; } = LoraVocabulary.Diffusers;
}
