namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the folder of cases holds: how many of each suite, and which ask for no gradient.</summary>
internal static class ExpectedCases
{
    /// <summary>Kinds without numbers to differentiate: texts, files, sizes, tables, times.</summary>
    private static readonly HashSet<string> s_kindsWithoutGradient = new(StringComparer.Ordinal)
    {
        "open_clip.SimpleTokenizer", "opensora.clean_caption", "transformers.CLIPTokenizer", "transformers.T5Tokenizer",
        "opensora.PositionEmbedding2D", "opensora.RFLOW.timesteps", "opensora.apply-mask-strategy", "opensora.latent-size", "opensora.sizes",
            "opensora.prompt-processing",
        "vader.action_frames", "vader.action_label", "vjepa.masks", "vjepa.tables",
        "cloneofsimo-pt", "diffusers-lora", "kohya-lora", "lora-formats", "peft-folder", "refuse", "vader-pt",
        "PerPromptStatTracker", "hostile", "read", "manifest",
    };

    /// <summary>
    /// Cases that generate only, of pipelines whose gradient the training steps (S15) or other cases have; and an image in which nothing is found.
    /// </summary>
    private static readonly HashSet<string> s_casesWithoutGradient = new(StringComparer.Ordinal)
    {
        "svd-basic", "videocrafter-ckpt", "videocrafter-deepspeed", "opensora-image", "opensora-reference", "opensora-t2v", "detection-none",
    };

    /// <summary>Cases of each suite, in order.</summary>
    public static IReadOnlyList<KeyValuePair<string, int>> Counts { get; } =
    [
        new("S01-clip-text", 3), new("S02-clip-vision", 4), new("S03-openclip", 3), new("S04-t5-encoder", 2), new("S05-tokenizers", 8), new("S06-unet3d", 11),
        new("S07-vae-kl", 5), new("S08-svd", 13), new("S09-videocrafter", 16), new("S10-opensora", 26), new("S11-schedulers", 21), new("S12-pipelines", 19),
        new("S13-rewards", 55), new("S14-lora", 20), new("S15-vader-step", 32), new("S16-policy", 13), new("S17-files", 85), new("S18-manifests", 35),
        new("S19-wan", 43), new("S20-wan-pipelines", 9),
    ];

    public static bool IsForwardOnly(ConformanceCase testCase) =>
        s_kindsWithoutGradient.Contains(testCase.Kind) || s_casesWithoutGradient.Contains(testCase.Name);
}
