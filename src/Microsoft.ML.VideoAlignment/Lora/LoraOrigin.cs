using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>What an adapter file holds beside the factors, kept so that loading and saving in the same format gives the same file again.</summary>
internal sealed record LoraOrigin
{
    /// <summary>Path of the file, for messages.</summary>
    public string Location { get; init; } = "the adapter";

    /// <summary>Format and generation of keys; null: trained here, not loaded.</summary>
    public LoraFormat? Format { get; init; }

    /// <summary>The dtype of the file's factors; in the network they are float32.</summary>
    public ScalarType Dtype { get; init; } = ScalarType.Float32;

    /// <summary>Prefix before the module path in the file's keys.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>adapter_config.json, or the network's part of diffusers' lora_adapter_metadata without its prefix.</summary>
    public JsonObject? Settings { get; init; }

    /// <summary>The other text entries of the safetensors header.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Names of each module's tensors in the file, by module path.</summary>
    public IReadOnlyDictionary<string, LoraPairKeys> Keys { get; init; } = new Dictionary<string, LoraPairKeys>(StringComparer.Ordinal);

    /// <summary>Tensors for other networks (text encoders), by name: counted, kept, not applied.</summary>
    public IReadOnlyDictionary<string, StoredBytes> NotApplied { get; init; } = new Dictionary<string, StoredBytes>(StringComparer.Ordinal);

    /// <summary>What was assumed on reading, one sentence each.</summary>
    public IReadOnlyList<string> Assumptions { get; init; } = [];

    /// <summary>Names the tensors that are not applied, in one sentence.</summary>
    /// <param name="consequence">What happens to them, such as "are not applied".</param>
    /// <returns>The sentence; null: there are no such tensors.</returns>
    public string? DescribeNotApplied(string consequence) => NotApplied.Count == 0 ? null
        : $"{Location}: {NotApplied.Count} tensors of text encoders, such as '{NotApplied.Keys.First()}', {consequence}; only the denoiser is adapted here.";
}

/// <summary>The names of one module's tensors in a file.</summary>
/// <param name="Down">Name of the down factor.</param>
/// <param name="Up">Name of the up factor.</param>
/// <param name="Alpha">Name of the alpha; null: none.</param>
/// <param name="AlphaForm">Dtype and shape of the alpha in the file.</param>
internal sealed record LoraPairKeys(string Down, string Up, string? Alpha, WeightInfo AlphaForm)
{
    public static LoraPairKeys Describe(IWeightSource source, Dictionary<LoraRole, string> roles)
    {
        string? alpha = roles.GetValueOrDefault(LoraRole.Alpha);
        return new LoraPairKeys(roles[LoraRole.Down], roles[LoraRole.Up], alpha, alpha is null ? default : source.Entries[alpha]);
    }
}

/// <summary>A tensor as managed memory, which needs no disposal.</summary>
/// <param name="Dtype">Type of the numbers.</param>
/// <param name="Shape">Sizes of the axes.</param>
/// <param name="Data">The numbers as libtorch stores them, contiguous.</param>
internal sealed record StoredBytes(ScalarType Dtype, IReadOnlyList<long> Shape, byte[] Data)
{
    /// <summary>Reads a tensor of a source.</summary>
    /// <param name="source">The open file.</param>
    /// <param name="name">Name of the tensor.</param>
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
