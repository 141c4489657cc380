using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S12: the resize before Stable Video Diffusion's image encoder.</summary>
public sealed class BlurredResizeRunner : IConformanceRunner
{
    public string Suite => "S12-pipelines";

    public IReadOnlyCollection<string> Kinds => ["svd.resize_with_antialiasing"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        Tensor image = testCase.Input("image");
        long[] size = [.. testCase.Arguments.GetProperty("size").EnumerateArray().Select(side => side.GetInt64())];
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor> { ["image"] = BlurredResize.Apply(image, size[0], size[1]) }, new Dictionary<string, Tensor> { ["image"] = image });
    }
}
