using Microsoft.ML.Runtime;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Registers the transformers of this assembly that ML.NET can load.</summary>
internal static class LoaderRegistration
{
    /// <summary>Adds the transformers to the environment's catalog; calling it again is harmless.</summary>
    /// <param name="environment">The environment, whose catalog its hosts share.</param>
    public static void Register(IHostEnvironment environment) => MlNetInterop.Register(
        environment.ComponentCatalog,
        [
            (typeof(VideoAlignmentTransformer), VideoAlignmentTransformer.LoaderSignature),
            (typeof(VideoScoringTransformer), VideoScoringTransformer.LoaderSignature),
        ]);
}
