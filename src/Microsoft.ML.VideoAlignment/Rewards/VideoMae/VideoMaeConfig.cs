using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Rewards.VideoMae;

/// <summary>
/// VideoMAE's classifier (Tong et al. 2022, arXiv 2203.12602) under the names of the reference's config.json (transformers VideoMAEConfig). A key that is
/// absent has the reference's default. num_frames is not read: positions are computed for the frames at hand.
/// </summary>
/// <remarks>Keys of its attention never have a bias.</remarks>
internal sealed record VideoMaeConfig : VitConfig
{
    /// <summary>Frames that one token spans.</summary>
    public long TubeletSize { get; init; } = 2;

    /// <summary>Whether the classifier sees the mean of all tokens under a norm of its own, or the first token under the encoder's norm.</summary>
    public bool UseMeanPooling { get; init; } = true;

    public override EncoderShape Layer => base.Layer with { KeyBias = false };

    /// <summary>Counts tokens along time; frames of an unfinished last tubelet are not seen.</summary>
    /// <param name="frames">Frames of a video.</param>
    public long Tubelets(long frames) => frames / TubeletSize;

    public static VideoMaeConfig FromJson(JsonElement json)
    {
        VideoMaeConfig read = Read(json, new VideoMaeConfig { ImageSize = (224, 224), Labels = LabelTable.FromJson(json) });
        return read with
        {
            TubeletSize = ConfigJson.Integer(json, "tubelet_size", read.TubeletSize),
            UseMeanPooling = ConfigJson.Flag(json, "use_mean_pooling", read.UseMeanPooling),
        };
    }
}
