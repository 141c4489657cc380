using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>What a Wan folder's model_index.json says beside the names of its parts. Reference: diffusers, <c>WanPipeline</c>.</summary>
internal sealed record WanModelIndex
{
    /// <summary>The pipeline classes that are read.</summary>
    internal const string TextToVideo = "WanPipeline", ImageToVideo = "WanImageToVideoPipeline";

    /// <summary>Whether the folder names the pipeline that makes videos from images.</summary>
    public bool IsImageToVideo { get; init; }

    /// <summary>The share of the training schedule below which the expert for low noise predicts; null: there is one transformer.</summary>
    public double? BoundaryRatio { get; init; }

    /// <summary>Whether the network is told the time of every token, so that a first frame can be given (TI2V-5B).</summary>
    public bool ExpandsTimesteps { get; init; }

    /// <summary>Tells whether a pipeline class is read here.</summary>
    /// <param name="className">The _class_name of a model_index.json; null: there is none.</param>
    public static bool IsKnown(string? className) => className is TextToVideo or ImageToVideo;

    /// <summary>Reads the file.</summary>
    /// <param name="json">The content of model_index.json.</param>
    /// <exception cref="InvalidDataException">A value has the wrong type or range.</exception>
    public static WanModelIndex FromJson(JsonElement json)
    {
        double? boundary = ConfigJson.Find(json, "boundary_ratio") is null ? null : ConfigJson.Number(json, "boundary_ratio", 0, maximum: 1);
        return boundary is null or (> 0 and < 1)
            ? new WanModelIndex
            {
                IsImageToVideo = ConfigJson.Text(json, "_class_name", TextToVideo) == ImageToVideo,
                BoundaryRatio = boundary,
                ExpandsTimesteps = ConfigJson.Flag(json, "expand_timesteps", false),
            }
            : throw new InvalidDataException($"boundary_ratio: expected a number between 0 and 1 (published: 0.875 and 0.9), got {boundary}.");
    }
}
