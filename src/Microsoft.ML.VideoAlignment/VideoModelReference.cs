namespace Microsoft.ML.VideoAlignment;

/// <summary>The base model that a saved alignment belongs to.</summary>
/// <param name="Family">Such as "ModelScope".</param>
/// <param name="Source">The folder or file it was loaded from when the alignment was saved, or the name of an embedded model.</param>
/// <param name="Hash">SHA-256 over its weights, hexadecimal.</param>
public sealed record VideoModelReference(string Family, string Source, string Hash)
{
    internal static VideoModelReference Of(VideoDiffusionModel model) =>
        new(model.Family, Path.Exists(model.Source) && !IsEmbedded(model) ? Path.GetFullPath(model.Source) : model.Source, model.Hash);

    /// <summary>Whether the model comes with the library.</summary>
    internal static bool IsEmbedded(VideoDiffusionModel model) => model.Source is VideoDiffusionModel.MovingShapesSource or VideoDiffusionModel.MovingShapesImageToVideoSource;
}
