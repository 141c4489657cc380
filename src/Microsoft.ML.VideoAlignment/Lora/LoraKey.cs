using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>The parsed name of one tensor of an adapter file.</summary>
/// <remarks>
/// The dialects name the factors differently: lora_A and lora_B (peft, diffusers), lora.down and lora.up (diffusers' second generation), lora_down and lora_up
/// (kohya and its successors), ATTENTION.processor.to_q_lora.down (diffusers' first generation).
/// </remarks>
/// <param name="Module">Module path of the layer, without the names that torch.compile, DDP and FSDP put into paths.</param>
/// <param name="Role">Whether the tensor is a factor of the layer or its alpha.</param>
/// <param name="Generation">The dialect of the key; null: an alpha, which several dialects have.</param>
/// <param name="Adapter">peft's adapter name between factor and "weight", such as "default"; null: none.</param>
internal readonly partial record struct LoraKey(string Module, LoraRole Role, LoraFormat? Generation, string? Adapter)
{
    private const string AlphaSuffix = ".alpha";

    private static readonly string[] s_wrappers = ["_orig_mod", "module", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

    /// <summary>Parses the name of a tensor.</summary>
    /// <param name="name">The name without the network's prefix.</param>
    /// <returns>The parts; null: not a key of plain LoRA.</returns>
    public static LoraKey? Parse(string name)
    {
        if (ProcessorName().Match(name) is { Success: true } processor)
        {
            string layer = processor.Groups["layer"].Value;
            return new LoraKey(
                Unwrap($"{processor.Groups["attention"].Value}.{(layer == "to_out" ? "to_out.0" : layer)}"),
                processor.Groups["role"].Value == "down" ? LoraRole.Down : LoraRole.Up,
                LoraFormat.DiffusersProcessor, Adapter: null);
        }

        if (FactorName().Match(name) is { Success: true } factor)
        {
            string kind = factor.Groups["factor"].Value;
            return new LoraKey(
                Unwrap(factor.Groups["module"].Value), kind is "lora_A" or "lora.down" or "lora_down" ? LoraRole.Down : LoraRole.Up,
                kind switch { "lora_A" or "lora_B" => LoraFormat.Diffusers, "lora.down" or "lora.up" => LoraFormat.DiffusersDown, _ => LoraFormat.Kohya },
                factor.Groups["adapter"] is { Success: true } adapter ? adapter.Value : null);
        }

        return name.Length > AlphaSuffix.Length && name.EndsWith(AlphaSuffix, StringComparison.Ordinal)
            ? new LoraKey(Unwrap(name[..^AlphaSuffix.Length]), LoraRole.Alpha, Generation: null, Adapter: null)
            : null;
    }

    private static string Unwrap(string module)
    {
        string[] parts = module.Split('.');
        return parts.Any(s_wrappers.Contains) ? string.Join('.', parts.Where(part => !s_wrappers.Contains(part))) : module;
    }

    [GeneratedRegex(
        @"^(?<attention>.+)\.processor\.(?<layer>to_q|to_k|to_v|to_out)_lora\.(?<role>down|up)\.weight$",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex ProcessorName();

    [GeneratedRegex(
        @"^(?<module>.+)\.(?<factor>lora_A|lora_B|lora\.down|lora\.up|lora_down|lora_up)(\.(?<adapter>[^.]+))?\.weight$",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex FactorName();
}

/// <summary>The role of one tensor of an adapter file.</summary>
internal enum LoraRole
{
    Down,
    Up,

    /// <summary>A number beside the factors; scale = alpha / rank.</summary>
    Alpha,
}
