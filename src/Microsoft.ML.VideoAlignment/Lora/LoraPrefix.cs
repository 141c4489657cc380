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
        "denoiser.",
    ];

    /// <summary>The first of the known prefixes that a key of the denoiser has; "": none.</summary>
    public static string Find(IEnumerable<string> keys)
    {
        string[] own = [.. keys.Where(key => !IsTextEncoder(key))];
        return s_known.FirstOrDefault(prefix => own.Any(key => key.StartsWith(prefix, StringComparison.Ordinal))) ?? "";
    }

    /// <summary>
    /// The first of the known prefixes; where that leads to no layer of the network, the one prefix of whole names (such as "pipe.unet.") after which every
    /// key is a layer's.
    /// </summary>
    /// <param name="keys">The names of a file's tensors.</param>
    /// <param name="network">The network that the file is read for; null: known prefixes only.</param>
    /// <returns>The prefix, with its dot; "" where there is none.</returns>
    public static string Find(IEnumerable<string> keys, nn.Module? network)
    {
        string[] own = [.. keys.Where(key => !IsTextEncoder(key))];
        string known = Find(own);
        if (network is null || own.Length == 0)
        {
            return known;
        }

        var layers = AdaptableLayer.FindAll(network).Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        if (own.Any(key => Layer(key, known) is not null))
        {
            return known;
        }

        // Of prefixes that lead to the same layers the shortest; where they lead to different ones, none.
        string[] names = own[0].Split('.');
        string[] fitting =
        [
            .. Enumerable.Range(1, names.Length - 1).Select(count => string.Join('.', names[..count]) + ".").Where(prefix => own.All(key => Layer(key, prefix) is not null)),
        ];
        return fitting.Length > 0 && fitting.All(prefix => Layer(own[0], prefix) == Layer(own[0], fitting[0])) ? fitting[0] : known;

        string? Layer(string key, string prefix) =>
            key.StartsWith(prefix, StringComparison.Ordinal) && LoraKey.Parse(key[prefix.Length..]) is { } parsed && layers.Contains(parsed.Module)
                ? parsed.Module
                : null;
    }

    /// <summary>Whether a key is a text encoder's, in any of the dialects.</summary>
    public static bool IsTextEncoder(string key) => TextEncoder().IsMatch(key);

    [GeneratedRegex(
        @"^(((base_model|model|module|pipe|pipeline)\.)*(text_encoders?(_\d+)?|text_model|cond_stage_model|conditioner)\.|lora_(prior_)?te\d*_)",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex TextEncoder();
}
