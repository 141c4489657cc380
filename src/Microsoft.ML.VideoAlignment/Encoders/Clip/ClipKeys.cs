using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>From the names in CLIP files to keys. What is none of the module's is not read.</summary>
internal static class ClipKeys
{
    private const string TextTower = "text_model.";
    private const string VisionTower = "vision_model.";

    // 0, 1, 2, ...: a buffer of old files that nothing needs.
    private const string PositionIds = "*.position_ids";

    private static readonly string[] s_textOnly = ["text_model.*", "text_projection.*", "logit_scale"];
    private static readonly string[] s_visionOnly = ["vision_model.*", "visual_projection.*", "logit_scale"];

    /// <summary>A whole CLIPModel.</summary>
    public static KeyMap Both { get; } = new() { Ignore = [PositionIds] };

    /// <summary>
    /// The text half, of a text encoder's file or a whole model's. The newest transformers leaves <c>text_model.</c> out of a text encoder's file.
    /// </summary>
    public static KeyMap Text(IWeightSource source, string prefix = "") => new()
    {
        Ignore = [PositionIds, .. s_visionOnly],
        Rename = Has(source, prefix + TextTower) ? null : name => name.StartsWith("text_projection.", StringComparison.Ordinal) ? name : TextTower + name,
    };

    /// <summary>The vision half, of an image encoder's file or a whole model's, with or without <c>vision_model.</c>.</summary>
    public static KeyMap Vision(IWeightSource source, string prefix = "") => new()
    {
        Ignore = [PositionIds, .. s_textOnly],
        Rename = Has(source, prefix + VisionTower) ? null : name => name.StartsWith("visual_projection.", StringComparison.Ordinal) ? name : VisionTower + name,
    };

    private static bool Has(IWeightSource source, string start) => source.Entries.Keys.Any(name => name.StartsWith(start, StringComparison.Ordinal));
}
