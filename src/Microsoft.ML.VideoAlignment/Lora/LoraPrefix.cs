using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>What stands before the module path in the keys of an adapter file, and which keys are another network's.</summary>
internal static partial class LoraPrefix
{
    /// <summary>peft's prefix.</summary>
    public const string Peft = "base_model.model.";

    /// <summary>diffusers' prefix for a UNet.</summary>
    public const string UNet = "unet.";

    // VideoCrafter's script adapts the whole latent diffusion model, Open-Sora's the denoiser, other tools a part of a pipeline; longer prefixes are tried
    // first.
    private static readonly string[] s_known =
    [
        $"{Peft}model.diffusion_model.", $"{Peft}diffusion_model.", $"{Peft}{UNet}", $"{Peft}transformer.", Peft,
        "model.diffusion_model.", "diffusion_model.", UNet, "transformer.",
    ];

    /// <summary>Finds the known prefix of the denoiser's keys; of several the first in order of length.</summary>
    /// <param name="keys">All keys of a file.</param>
    /// <returns>The prefix; "" if there is none.</returns>
    public static string Find(IEnumerable<string> keys)
    {
        string[] own = [.. keys.Where(key => !IsTextEncoder(key))];
        return s_known.FirstOrDefault(prefix => own.Any(key => key.StartsWith(prefix, StringComparison.Ordinal))) ?? "";
    }

    /// <summary>Whether a key is a text encoder's, in any of the dialects.</summary>
    /// <param name="key">A key of an adapter file.</param>
    public static bool IsTextEncoder(string key) => TextEncoder().IsMatch(key);

    [GeneratedRegex(
        @"^((base_model\.model\.)?(text_encoders?(_\d+)?|text_model|cond_stage_model|conditioner)\.|lora_(prior_)?te\d*_)",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex TextEncoder();
}
