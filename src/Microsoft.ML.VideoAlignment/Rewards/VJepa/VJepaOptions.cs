using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// How <see cref="VideoRewards.TemporalConsistency"/> reads and uses a V-JEPA file (Bardes et al. 2024, arXiv 2404.08471; facebookresearch/jepa). What is
/// null is taken from the shapes in the file; what is given must agree with them.
/// </summary>
/// <remarks>
/// V-JEPA prefers a video that stands still to the moving one it was made from, so an alignment to it needs something that keeps motion
/// (<see cref="VideoRewards.TemporalConsistency"/>).
/// </remarks>
public sealed record VJepaOptions
{
    /// <summary>ViT-L/16, 16 frames of 224 x 224: vitl16.pth.tar.</summary>
    public static VJepaOptions VitLarge16 { get; } = new()
    {
        CropSize = 224,
        PatchSize = 16,
        TubeletSize = 2,
        Width = 1024,
        Depth = 24,
        Heads = 16,
        PredictorWidth = 384,
        PredictorDepth = 12,
    };

    /// <summary>ViT-H/16, 16 frames of 224 x 224: vith16.pth.tar.</summary>
    public static VJepaOptions VitHuge16 { get; } = VitLarge16 with { Width = 1280, Depth = 32 };

    /// <summary>ViT-H/16, 16 frames of 384 x 384: vith16-384.pth.tar.</summary>
    public static VJepaOptions VitHuge16At384 { get; } = VitHuge16 with { CropSize = 384 };

    /// <summary>Frames of a clip; default 16. The file knows only how many patches a clip has, so this cannot be read from it.</summary>
    public int Frames { get; init; } = 16;

    /// <summary>Side of the square that frames are stretched to, in pixels; null (default): from the file.</summary>
    public int? CropSize { get; init; }

    /// <summary>Side of a patch, in pixels; null (default): from the file.</summary>
    public int? PatchSize { get; init; }

    /// <summary>Frames that one token covers; null (default): from the file.</summary>
    public int? TubeletSize { get; init; }

    /// <summary>Channels of the encoders; null (default): from the file.</summary>
    public int? Width { get; init; }

    /// <summary>Layers of the encoders; null (default): from the file.</summary>
    public int? Depth { get; init; }

    /// <summary>Attention heads of encoders and predictor; null (default): those of the official network of this width. No shape tells them.</summary>
    public int? Heads { get; init; }

    /// <summary>Channels of the predictor; null (default): from the file.</summary>
    public int? PredictorWidth { get; init; }

    /// <summary>Layers of the predictor; null (default): from the file.</summary>
    public int? PredictorDepth { get; init; }

    /// <summary>The masks, each predicted for itself; default: the official two.</summary>
    public IReadOnlyList<VJepaMask> Masks { get; init; } = [VJepaMask.ShortRange, VJepaMask.LongRange];

    /// <summary>Exponent e of mean |z - h|^e / e; default 1, the official one.</summary>
    public double LossExponent { get; init; } = 1;

    /// <summary>
    /// Whether gradient also flows through the target encoder; true by default. False holds the target constant, as V-JEPA's training does.
    /// </summary>
    /// <remarks>
    /// Where the target is held constant the gradient is not the score's: what pulls the predicted features towards the target moves the target too. On videos
    /// of the embedded world its cosine with the score's gradient is .2 to .8, the less the better the network, and the score falls when it is followed for 40
    /// steps of .02 on the pixels, where the true gradient raises it. <see cref="GradientCheck"/> fails such a reward.
    /// </remarks>
    public bool TargetGradient { get; init; } = true;

    /// <summary>
    /// Frames per second the network was trained at, for the contract; default 7.5: every fourth frame (sampling_rate 4) of videos of mostly 30 per second.
    /// Null: any.
    /// </summary>
    public double? FramesPerSecond { get; init; } = 7.5;

    /// <summary>Whether layers keep only their inputs and run again in the backward pass: less memory, a third more time. Default false.</summary>
    public bool RecomputeActivations { get; init; }

    /// <summary>
    /// Whether what layers keep waits in the CPU's memory; false by default. It implies <see cref="RecomputeActivations"/>, and changes nothing on the CPU.
    /// </summary>
    public bool OffloadActivations { get; init; }

    /// <summary>How the frozen weights are stored; computation is in float32. Default: float32.</summary>
    public WeightPrecision Precision { get; init; } = WeightPrecision.Float32;

    /// <summary>Seed of the masks; default 0. The reward's documentation says which masks a call has.</summary>
    public int Seed { get; init; }

    /// <summary>Checks the record itself; all faults in one message.</summary>
    /// <exception cref="ArgumentException">Options are out of range.</exception>
    internal void Validate()
    {
        List<string> faults = [];
        foreach ((string name, int? value) in new (string, int?)[]
        {
            (nameof(Frames), Frames), (nameof(CropSize), CropSize), (nameof(PatchSize), PatchSize), (nameof(TubeletSize), TubeletSize), (nameof(Width), Width),
            (nameof(Depth), Depth), (nameof(Heads), Heads), (nameof(PredictorWidth), PredictorWidth), (nameof(PredictorDepth), PredictorDepth),
        })
        {
            if (value < 1)
            {
                faults.Add($"{name} must be at least 1, got {value}");
            }
        }

        if (Masks is not { Count: > 0 })
        {
            faults.Add($"{nameof(Masks)} must have at least one mask");
        }
        else
        {
            faults.AddRange(Masks.SelectMany((mask, i) => mask.Faults().Select(fault => $"{nameof(Masks)}[{i}].{fault}")));
        }

        if (!(double.IsFinite(LossExponent) && LossExponent > 0))
        {
            faults.Add($"{nameof(LossExponent)} must be a number above 0, got {LossExponent}");
        }

        if (FramesPerSecond is { } rate && !(double.IsFinite(rate) && rate > 0))
        {
            faults.Add($"{nameof(FramesPerSecond)} must be above 0 or null, got {rate}");
        }

        if (faults.Count > 0)
        {
            throw new ArgumentException($"V-JEPA options: {string.Join("; ", faults)}.");
        }
    }

    /// <summary>Writes the options as a text.</summary>
    internal string ToJson() => JsonSerializer.Serialize(this, VJepaOptionsJson.Default.VJepaOptions);

    /// <summary>Writes the options as settings.</summary>
    internal JsonElement ToElement() => JsonSerializer.SerializeToElement(this, VJepaOptionsJson.Default.VJepaOptions);

    /// <summary>Reads the options of a saved reward.</summary>
    /// <param name="saved">The reward.</param>
    /// <exception cref="InvalidDataException">The settings are not options.</exception>
    internal static VJepaOptions Read(SavedReward saved) => RequireMasks(saved.GetSettings(VJepaOptionsJson.Default.VJepaOptions));

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <param name="json">The text.</param>
    /// <exception cref="InvalidDataException">The text is not options.</exception>
    internal static VJepaOptions FromJson(string json)
    {
        try
        {
            return RequireMasks(JsonSerializer.Deserialize(json, VJepaOptionsJson.Default.VJepaOptions));
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"The V-JEPA options of the saved reward cannot be read: {exception.Message}", exception);
        }
    }

    private static VJepaOptions RequireMasks(VJepaOptions? options) => options is { Masks: { } masks } && !masks.Contains(null!)
        ? options
        : throw new InvalidDataException("The V-JEPA options of the saved reward are empty, or have no masks.");
}

// Pairs of numbers are tuples, whose numbers are fields.
[JsonSourceGenerationOptions(IncludeFields = true, Converters = [typeof(WeightPrecisionNames)])]
[JsonSerializable(typeof(VJepaOptions))]
internal sealed partial class VJepaOptionsJson : JsonSerializerContext;
