using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.MovingShapes;

/// <summary>Opens what saved files name of this package. The library looks this class up by its name.</summary>
internal sealed class MovingShapesContent : CompanionPackage
{
    /// <inheritdoc/>
    public override string Name => CompanionPackages.MovingShapes;

    /// <inheritdoc/>
    public override VideoDiffusionModel OpenModel(string name) => name switch
    {
        MovingShapesModels.TextToVideoName => MovingShapesModels.TextToVideo(),
        MovingShapesModels.ImageToVideoName => MovingShapesModels.ImageToVideo(),
        _ => throw new InvalidDataException($"This version of the package {Name} has no model '{name}'. Update it."),
    };

    /// <inheritdoc/>
    public override VideoReward OpenReward(RewardReference reference)
    {
        VideoReward reward = Open(reference);
        if (reference.Arguments.TryGetValue(MovingShapesRewards.HashArgument, out string? hash)
            && hash != reward.Reference.Arguments.GetValueOrDefault(MovingShapesRewards.HashArgument))
        {
            reward.Dispose();
            throw new InvalidDataException(
                $"The model's reward {reference.Kind} was that of another version of the package {Name}; scores would not mean the same. "
                    + "Use that version, or save again.");
        }

        return reward;
    }

    private VideoReward Open(RewardReference reference) => reference.Kind switch
    {
        MovingShapesRewards.AestheticKind => MovingShapesRewards.Aesthetic(),
        MovingShapesRewards.WeatherKind => MovingShapesRewards.Weather(),
        MovingShapesRewards.CompressedSizeKind => MovingShapesRewards.CompressedSize(),
        MovingShapesRewards.TextSimilarityKind => MovingShapesRewards.TextSimilarity(),
        MovingShapesRewards.PreferenceKind => MovingShapesRewards.Preference(),
        MovingShapesRewards.ActionKind => MovingShapesRewards.Action(ActionClassificationReward.OptionsOf(reference)),
        MovingShapesRewards.ObjectRemovalKind =>
            MovingShapesRewards.ObjectRemoval(reference.Argument(ObjectRemovalReward.LabelArgument), ObjectRemovalReward.OptionsOf(reference)),
        MovingShapesRewards.TemporalConsistencyKind => MovingShapesRewards.TemporalConsistency(),
        TrueRatingReward.Kind => MovingShapesRewards.TrueRating(),
        _ => throw new InvalidDataException(
            $"The model's reward is of the kind '{reference.Kind}', which this version of the package {Name} does not know. Update it."),
    };
}
