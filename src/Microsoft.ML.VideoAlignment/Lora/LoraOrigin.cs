using System.Text.Json.Nodes;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>What an adapter file holds beside the factors, kept so that loading and saving in the same format gives the same file again.</summary>
internal sealed record LoraOrigin
{
    /// <summary>The path it came from, for messages.</summary>
    public string Location { get; init; } = "the adapter";

    /// <summary>Format and generation of keys; null for an adapter that was trained here.</summary>
    public LoraFormat? Format { get; init; }

    /// <summary>The dtype of the file's factors; in the network they are float32.</summary>
    public ScalarType Dtype { get; init; } = ScalarType.Float32;

    /// <summary>What stands before the module in the file's keys.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>adapter_config.json, or the network's part of diffusers' lora_adapter_metadata without its prefix.</summary>
    public JsonObject? Settings { get; init; }

    /// <summary>The safetensors header's other text entries.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Modules without an alpha in a file that has alphas by module (kohya), which means scale 1.</summary>
    public IReadOnlySet<string> WithoutAlpha { get; init; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>Tensors for other networks (text encoders): counted, kept, not applied.</summary>
    public IReadOnlyDictionary<string, StoredBytes> NotApplied { get; init; } = new Dictionary<string, StoredBytes>(StringComparer.Ordinal);
}

/// <summary>A tensor as plain memory, which nobody has to dispose.</summary>
internal sealed record StoredBytes(ScalarType Dtype, IReadOnlyList<long> Shape, byte[] Data)
{
    public static StoredBytes Of(Tensor tensor) => new(tensor.dtype, tensor.shape, tensor.bytes.ToArray());

    public Tensor ToTensor()
    {
        Tensor tensor = empty([.. Shape], dtype: Dtype);
        Data.CopyTo(tensor.bytes);
        return tensor;
    }
}
