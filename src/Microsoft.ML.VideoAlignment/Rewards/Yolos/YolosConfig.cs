using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Rewards.Yolos;

/// <summary>
/// YOLOS (Fang et al. 2021, arXiv 2106.00666) under the names of the reference's config.json (transformers YolosConfig). A key that is absent has the
/// reference's default.
/// </summary>
/// <remarks>Images of other sizes than the trained one resize the position tables; the labels are without "no object".</remarks>
internal sealed record YolosConfig : VitConfig
{
    /// <summary>Most objects that one image can show.</summary>
    public long NumDetectionTokens { get; init; } = 100;

    /// <summary>Whether positions are added again after every layer but the last.</summary>
    public bool UseMidPositionEmbeddings { get; init; } = true;

    public (long Rows, long Columns) Grid => (ImageSize.Height / PatchSize, ImageSize.Width / PatchSize);

    public static YolosConfig FromJson(JsonElement json)
    {
        YolosConfig read = Read(json, new YolosConfig { ImageSize = (512, 864), Labels = LabelTable.FromJson(json) });
        return read with
        {
            NumDetectionTokens = ConfigJson.Integer(json, "num_detection_tokens", read.NumDetectionTokens),
            UseMidPositionEmbeddings = ConfigJson.Flag(json, "use_mid_position_embeddings", read.UseMidPositionEmbeddings),
        };
    }
}
