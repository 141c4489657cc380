using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Models and rewards that come in a package of their own, and that saved files may name.</summary>
internal abstract class CompanionPackage
{
    /// <summary>The package's name, as in <see cref="CompanionPackages"/>.</summary>
    public abstract string Name { get; }

    /// <summary>Opens a model of the package.</summary>
    /// <param name="name">What a saved file calls it: one of the package's names in <see cref="CompanionPackages"/>.</param>
    /// <returns>A model that the caller disposes.</returns>
    public abstract VideoDiffusionModel OpenModel(string name);

    /// <summary>The kinds of rewards of the package.</summary>
    public abstract IReadOnlyList<RewardDefinition> Rewards { get; }
}
