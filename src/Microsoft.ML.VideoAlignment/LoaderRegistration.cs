using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.DataViews;

namespace Microsoft.ML.VideoAlignment;

/// <summary>The transformers of this assembly that ML.NET can load.</summary>
internal static class LoaderRegistration
{
    /// <summary>Makes them known to the environment's catalog; more than once is harmless.</summary>
    public static void Register(IHostEnvironment environment) => MlNetInterop.Register(
        environment.ComponentCatalog,
        [(typeof(VideoAlignmentTransformer), VideoAlignmentTransformer.LoaderSignature), (typeof(VideoScoringTransformer), VideoScoringTransformer.LoaderSignature)]);
}
