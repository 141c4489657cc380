using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>What stands before the module in the keys of an adapter file, and which keys are another network's.</summary>
internal static partial class LoraPrefix
{
    /// <summary>peft's.</summary>
    public const string Peft = "base_model.model.";

    /// <summary>diffusers' for a UNet.</summary>
    public const string UNet = "unet.";

    /// <summary>VideoCrafter's script adapts the whole latent diffusion model, Open-Sora's the denoiser, other tools a part of a pipeline; the longer are tried first.</summary>
    private static readonly string[] s_known =
    [
        $"{Peft}model.diffusion_model.", $"{Peft}diffusion_model.", $"{Peft}{UNet}", $"{Peft}transformer.", Peft, "model.diffusion_model.", "diffusion_model.", UNet, "transformer.",
    ];

    /// <summary>The first of the known prefixes that a key of the denoiser has; "": none.</summary>
    public static string Find(IEnumerable<string> keys)
    {
        string[] own = [.. keys.Where(key => !IsTextEncoder(key))];
        return s_known.FirstOrDefault(prefix => own.Any(key => key.StartsWith(prefix, StringComparison.Ordinal))) ?? "";
    }

    /// <summary>Whether a key is a text encoder's, in any of the dialects.</summary>
    public static bool IsTextEncoder(string key) => TextEncoder().IsMatch(key);

    [GeneratedRegex(@"^((base_model\.model\.)?(text_encoders?(_\d+)?|text_model|cond_stage_model|conditioner)\.|lora_(prior_)?te\d*_)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex TextEncoder();
}
