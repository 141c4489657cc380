using Microsoft.ML.VideoAlignment;

namespace AlignAesthetic;

/// <summary>The rewards that the model is trained with, and those that are measured.</summary>
internal sealed class Rewards : IDisposable
{
    private const float AestheticWeight = 0.1f;
    private const float TextWeight = 2.2f;

    private Rewards(VideoReward aesthetic, VideoReward? text, VideoReward? rating, bool mixed)
    {
        float textWeight = mixed && text is not null ? TextWeight : 0;

        // VADER's aesthetic loss is 0.1 |score - 10|; the text term keeps color, shape and background as the prompt says. Of a dozen weights and settings that
        // were tried, this one raised the rating most without a loss of text similarity, which fell by .03 with a weight of 1.
        Training = VideoRewards.Mix(textWeight > 0 ? [(aesthetic, AestheticWeight), (text!, textWeight)] : [(aesthetic, AestheticWeight)]);
        Measures =
        [
            new Measure("predicted aesthetic", "heldOut", aesthetic, AestheticWeight),
            new Measure("true rating (known formula, never trained on)", "heldOutTrue", rating),
            new Measure("text similarity", "heldOutText", text, textWeight),
        ];
    }

    /// <summary>What the model is aligned to.</summary>
    public VideoReward Training { get; }

    /// <summary>The predicted rating, 1 .. 10; the known formula that its head saw samples of; how well videos match their prompts.</summary>
    public IReadOnlyList<Measure> Measures { get; }

    /// <summary>Opens the embedded rewards, or those of an official model.</summary>
    /// <param name="settings">The command line.</param>
    public static Rewards Open(Settings settings) => settings.Model is null
        ? new Rewards(MovingShapesRewards.Aesthetic(), MovingShapesRewards.TextSimilarity(), MovingShapesRewards.TrueRating(), settings.Reward == "mix")
        : new Rewards(
            VideoRewards.Aesthetic(settings.Clip!, settings.Head!), VideoRewards.TextImageSimilarity(settings.Clip!), rating: null, settings.Reward == "mix");

    public void Dispose()
    {
        // The sum owns its parts; a reward may be disposed twice.
        Training.Dispose();
        foreach (Measure measure in Measures)
        {
            measure.Reward?.Dispose();
        }
    }
}
