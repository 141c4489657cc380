using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A complete image-to-video model with random weights, small enough for unit tests: a folder of the conformance cases.</summary>
internal static class TinyImageModel
{
    public static string Folder => Path.Combine(TestContext.CurrentContext.TestDirectory, "Conformance", "Cases", "S12-pipelines", "svd-basic", "pipeline");

    public static VideoSize Size { get; } = new(2, 8, 8);

    public static VideoDiffusionModel Load() => new VideoDiffusionModel(StableVideoDiffusionModel.FromFolder(Folder, variant: null, Placement.Cpu));

    /// <summary>Two steps through given noise levels.</summary>
    public static SamplingSettings Sampling(int segments = 1) => new()
    {
        Size = Size,
        Steps = 2,
        Sigmas = [8, 1.5, 0],
        GuidanceScale = 2,
        MinGuidanceScale = 1,
        FramesPerSecond = 7,
        MotionBucketId = 127,
        NoiseAugmentation = 0.02,
        SegmentCount = segments,
    };

    /// <summary>[3, H, W] in [0, 1].</summary>
    public static Tensor Image(int height = 8, int width = 8, int start = 1) => Ramp.Values(start, 3, height, width) + 0.5;
}
