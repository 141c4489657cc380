using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.MovingShapes;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Makes this package's models and rewards known to <c>mlContext.Model.Load</c>.</summary>
public static class MovingShapesPackage
{
    /// <summary>
    /// Registers the package with the library. Only a program that loads its assemblies itself or is trimmed has to call it: elsewhere the library finds the
    /// package when a saved file names one of its models or rewards.
    /// </summary>
    public static void Register() => CompanionPackages.Register(new MovingShapesContent());
}
