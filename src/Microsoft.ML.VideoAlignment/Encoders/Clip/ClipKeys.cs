using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Maps names in CLIP files to keys. Names that belong to no part of the module are ignored.</summary>
internal static class ClipKeys
{
    private const string TextTower = "text_model.";
    private const string VisionTower = "vision_model.";

    // 0, 1, 2, ...: a buffer of old files that nothing needs.
    private const string PositionIds = "*.position_ids";

    private static readonly string[] s_textOnly = ["text_model.*", "text_projection.*", "logit_scale"];
    private static readonly string[] s_visionOnly = ["vision_model.*", "visual_projection.*", "logit_scale"];

    /// <summary>The map of a whole CLIPModel.</summary>
    public static KeyMap Both { get; } = new() { Ignore = [PositionIds] };

    /// <summary>
    /// Makes the map of the text half, of a text encoder's file or a whole model's. The newest transformers omits <c>text_model.</c> from a text encoder's
    /// file.
    /// </summary>
    /// <param name="source">The file.</param>
    /// <param name="prefix">The start of the names in the file.</param>
    public static KeyMap CreateTextMap(IWeightSource source, string prefix = "") => new()
    {
        Ignore = [PositionIds, .. s_visionOnly],
        Rename = Has(source, prefix + TextTower) ? null
            : name => name.StartsWith("text_projection.", StringComparison.Ordinal) ? name : TextTower + name,
    };

    /// <summary>Makes the map of the vision half, of an image encoder's file or a whole model's, with or without <c>vision_model.</c>.</summary>
    /// <param name="source">The file.</param>
    /// <param name="prefix">The start of the names in the file.</param>
    public static KeyMap CreateVisionMap(IWeightSource source, string prefix = "") => new()
    {
        Ignore = [PositionIds, .. s_textOnly],
        Rename = Has(source, prefix + VisionTower) ? null
            : name => name.StartsWith("visual_projection.", StringComparison.Ordinal) ? name : VisionTower + name,
    };

    private static bool Has(IWeightSource source, string start) => source.Entries.Keys.Any(name => name.StartsWith(start, StringComparison.Ordinal));
}
