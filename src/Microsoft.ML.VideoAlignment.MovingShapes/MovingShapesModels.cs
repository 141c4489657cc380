using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.MovingShapes;

namespace Microsoft.ML.VideoAlignment;

/// <summary>The tiny trained video models of this package: 8 frames of 32 x 32 pixels, small enough to align on a CPU in minutes.</summary>
public static class MovingShapesModels
{
    /// <summary>What saved files call the models.</summary>
    internal const string TextToVideoName = "MovingShapes", ImageToVideoName = "MovingShapesImageToVideo";

    /// <summary>Opens the text-to-video model, in ModelScope's form. Prompts are like "a red circle moving right on a dark background".</summary>
    /// <returns>A model that the caller disposes.</returns>
    /// <exception cref="FileNotFoundException">The folder MovingShapes is neither beside the program nor in the package.</exception>
    public static VideoDiffusionModel TextToVideo() =>
        FromPackage(ModelScopeModel.Definition, "text-to-video", TextToVideoName);

    /// <summary>
    /// Opens the image-to-video model, in the form of Stable Video Diffusion: from an image of 32 x 32 pixels with one shape on it, 8 frames in which something
    /// of its color moves on its background.
    /// </summary>
    /// <remarks>
    /// The motion bucket sets the speed (127, the default: 14 pixels in a video at 7 frames a second; 0: it stays), chance the direction. Outlines are not
    /// kept: a shape blurs within a few frames (figures in MovingShapes/image-to-video/report.txt).
    /// </remarks>
    /// <returns>A model that the caller disposes.</returns>
    /// <exception cref="FileNotFoundException">The folder MovingShapes is neither beside the program nor in the package.</exception>
    public static VideoDiffusionModel ImageToVideo() =>
        FromPackage(StableVideoDiffusionModel.Definition, "image-to-video", ImageToVideoName);

    private static VideoDiffusionModel FromPackage(ModelDefinition family, string folder, string name) =>
        new(family.Load(MovingShapesFiles.Find(folder), new VideoModelOptions(), CancellationToken.None) with { Source = name }) { ComesWithPackage = true };
}
