using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Rewards.Custom;

/// <summary>A contract as text, for rewards whose contract the caller declared. Pairs are tuples (fields), and a range may be unbounded.</summary>
[JsonSourceGenerationOptions(IncludeFields = true, UseStringEnumConverter = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(RewardContract))]
internal sealed partial class ContractJson : JsonSerializerContext
{
    /// <summary>Writes a contract.</summary>
    /// <param name="contract">The contract.</param>
    public static string Write(RewardContract contract) => JsonSerializer.Serialize(contract, Default.RewardContract);

    /// <summary>Writes a contract as settings.</summary>
    /// <param name="contract">The contract.</param>
    public static JsonElement ToElement(RewardContract contract) => JsonSerializer.SerializeToElement(contract, Default.RewardContract);

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="json">The text.</param>

    /// <exception cref="InvalidDataException">The text is not a contract.</exception>
    public static RewardContract Read(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, Default.RewardContract) ?? throw new InvalidDataException("The saved reward's contract is empty.");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"The saved reward's contract cannot be read: {exception.Message}", exception);
        }
    }
}
