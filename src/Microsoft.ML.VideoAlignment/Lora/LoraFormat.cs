namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// The file formats of LoRA weights. Reading accepts any generation of diffusers' keys under each of their names; writing needs the exact one.
/// </summary>
public enum LoraFormat
{
    /// <summary>A folder with adapter_config.json and adapter_model.safetensors or .bin; read also by the path of either file.</summary>
    Peft,

    /// <summary>pytorch_lora_weights.safetensors with lora_A and lora_B keys; a scale other than 1 is in the header's metadata.</summary>
    Diffusers,

    /// <summary>The middle generation of diffusers' keys: MODULE.lora.down.weight.</summary>
    DiffusersDown,

    /// <summary>The oldest generation: ATTENTION.processor.to_q_lora.down.weight.</summary>
    DiffusersProcessor,

    /// <summary>VADER's flat .pt dictionary; the alpha is not in the file.</summary>
    Vader,

    /// <summary>The .pt list without names of VADER's ModelScope script: [up, down, up, down, ...].</summary>
    Cloneofsimo,

    /// <summary>The image trainers' format: lora_unet_MODULE_WITH_UNDERSCORES.lora_down.weight.</summary>
    Kohya,
}
