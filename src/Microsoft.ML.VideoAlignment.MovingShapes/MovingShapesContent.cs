using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.MovingShapes;

/// <summary>Opens what saved files name of this package. The library looks this class up by its name.</summary>
internal sealed class MovingShapesContent : CompanionPackage
{
    /// <inheritdoc/>
    public override string Name => CompanionPackages.MovingShapes;

    /// <inheritdoc/>
    public override IReadOnlyList<RewardDefinition> Rewards => MovingShapesRewards.Definitions;

    /// <inheritdoc/>
    public override VideoDiffusionModel OpenModel(string name) => name switch
    {
        MovingShapesModels.TextToVideoName => MovingShapesModels.TextToVideo(),
        MovingShapesModels.ImageToVideoName => MovingShapesModels.ImageToVideo(),
        _ => throw new InvalidDataException($"This version of the package {Name} has no model '{name}'. Update it."),
    };
}
