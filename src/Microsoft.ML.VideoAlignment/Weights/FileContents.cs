namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Recognizes a file by the names of its tensors, for errors about a file that was passed in place of another.</summary>
internal static class FileContents
{
    private static readonly (string Part, string Kind)[] s_signs =
    [
        ("lora_A", "LoRA weights (peft)"),
        ("lora_down", "LoRA weights (kohya)"),
        ("lora_up", "LoRA weights"),
        ("lora.", "LoRA weights"),
        ("visual.transformer.resblocks.", "an OpenCLIP model (such as HPS v2)"),
        ("vision_model.", "a CLIP model of transformers"),
        ("text_model.", "a CLIP text encoder of transformers"),
        ("mid_position_embeddings", "a YOLOS detector"),
        ("videomae.", "a VideoMAE classifier"),
        ("module.backbone.", "a V-JEPA network"),
        ("temp_convs.", "a video UNet"),
        ("down_blocks.", "a diffusion model's UNet"),
        ("model.diffusion_model.", "a whole latent diffusion model"),
        ("quant_conv.", "a VAE"),
        ("relative_attention_bias", "a T5 encoder"),
    ];

    /// <summary>Describes a source as "It looks like ...", or by its first names where nothing is recognized.</summary>
    /// <param name="source">The source.</param>
    public static string Describe(IWeightSource source)
    {
        string[] names = [.. source.Entries.Keys.Order(StringComparer.Ordinal)];
        string first = string.Join(", ", names.Take(5)) + (names.Length > 5 ? ", ..." : "");
        bool isHead = names.Length > 0 && names.All(name => name.StartsWith("layers.", StringComparison.Ordinal));
        string? kind = s_signs.FirstOrDefault(sign => names.Any(name => name.Contains(sign.Part, StringComparison.Ordinal))).Kind
            ?? (isHead ? "a head on an image embedding (such as LAION's aesthetic head)" : null);
        return kind is null ? $"It holds {names.Length} tensors: {first}." : $"It looks like {kind}: {first}.";
    }
}
