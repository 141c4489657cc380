using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Weights;

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

    /// <summary>The names of each module's tensors in the file.</summary>
    public IReadOnlyDictionary<string, LoraPairKeys> Keys { get; init; } = new Dictionary<string, LoraPairKeys>(StringComparer.Ordinal);

    /// <summary>Tensors for other networks (text encoders): counted, kept, not applied.</summary>
    public IReadOnlyDictionary<string, StoredBytes> NotApplied { get; init; } = new Dictionary<string, StoredBytes>(StringComparer.Ordinal);

    /// <summary>What was taken for granted on reading, a sentence each.</summary>
    public IReadOnlyList<string> Assumptions { get; init; } = [];

    /// <summary>Tensors that are not applied, in a sentence that ends as <paramref name="consequence"/> says; null: there are none.</summary>
    public string? DescribeNotApplied(string consequence) => NotApplied.Count == 0 ? null
        : $"{Location}: {NotApplied.Count} tensors of text encoders, such as '{NotApplied.Keys.First()}', {consequence}; only the denoiser is adapted here.";
}

/// <summary>The names of one module's tensors in a file.</summary>
/// <param name="Down">Of the down factor.</param>
/// <param name="Up">Of the up factor.</param>
/// <param name="Alpha">Of the number beside them; null: there is none.</param>
/// <param name="AlphaForm">How that number is stored.</param>
internal sealed record LoraPairKeys(string Down, string Up, string? Alpha, WeightInfo AlphaForm)
{
    public static LoraPairKeys Describe(IWeightSource source, Dictionary<LoraRole, string> roles)
    {
        string? alpha = roles.GetValueOrDefault(LoraRole.Alpha);
        return new LoraPairKeys(roles[LoraRole.Down], roles[LoraRole.Up], alpha, alpha is null ? default : source.Entries[alpha]);
    }
}

/// <summary>A tensor as plain memory, which needs no disposal.</summary>
internal sealed record StoredBytes(ScalarType Dtype, IReadOnlyList<long> Shape, byte[] Data)
{
    /// <summary>The tensor of a source with this name.</summary>
    public static StoredBytes Read(IWeightSource source, string name)
    {
        using Tensor value = source.Read(name);
        return new StoredBytes(value.dtype, value.shape, value.bytes.ToArray());
    }

    public Tensor ToTensor()
    {
        Tensor tensor = empty([.. Shape], dtype: Dtype);
        Data.CopyTo(tensor.bytes);
        return tensor;
    }
}
