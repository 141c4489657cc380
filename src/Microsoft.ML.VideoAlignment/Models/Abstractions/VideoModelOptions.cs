namespace Microsoft.ML.VideoAlignment;

/// <summary>How the frozen weights of a base model are read and held.</summary>
public sealed record VideoModelOptions
{
    /// <summary>The variant part of the weight files' names, such as "fp16" in diffusion_pytorch_model.fp16.safetensors. Default: none.</summary>
    public string? Variant { get; init; }

    /// <summary>
    /// The tokenizer of a model whose files carry none: open_clip's bpe_simple_vocab_16e6.txt.gz, or a CLIP tokenizer folder. Null (default): what lies beside
    /// the model.
    /// </summary>
    /// <remarks>Read for VideoCrafter.</remarks>
    public string? TokenizerPath { get; init; }

    /// <summary>
    /// The yaml of a VideoCrafter checkpoint. Null (default): config.yaml beside it, or where there is none the published VideoCrafter2's configuration.
    /// </summary>
    public string? ConfigurationPath { get; init; }

    /// <summary>
    /// How frozen weights are stored; float32 by default. Computation is in float32 whatever this says; smaller weights are cast where they are used, which
    /// costs time and saves memory.
    /// </summary>
    public WeightPrecision Precision { get; init; } = WeightPrecision.Float32;

    /// <summary>
    /// Where the weights of Open-Sora's text encoder are between its calls; <see cref="TextEncoderLoading.Automatic"/> by default. Training encodes every
    /// prompt of the run first and then frees them.
    /// </summary>
    /// <remarks>Smaller text encoders stay in memory.</remarks>
    public TextEncoderLoading TextEncoder { get; init; }

    /// <summary>
    /// A folder in which the states of Open-Sora's prompts are kept from run to run, so that its text encoder is opened only for prompts that are new. Null
    /// (default): none.
    /// </summary>
    public string? PromptCacheFolder { get; init; }

    /// <summary>
    /// The folder of the images that Open-Sora's prompts name: <c>a ship at sea {"reference_path": "ships/one.png", "mask_strategy": "0"}</c>. Paths in prompts
    /// are relative to it and stay inside it, symbolic links followed; null (default): a prompt that names a file is refused.
    /// </summary>
    /// <remarks>It is not saved with an alignment.</remarks>
    public string? ReferenceFolder { get; init; }

    /// <summary>
    /// The largest image files that are read for this model, from a column of paths or from the reference folder. It is not saved with an alignment.
    /// </summary>
    public ImageLimits ImageLimits { get; init; } = new();

    /// <summary>How a model that is named "owner/name" is found. Default: the hub's main branch, through the local cache.</summary>
    public HubOptions Hub { get; init; } = new();
}
