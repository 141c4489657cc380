using Microsoft.ML.VideoAlignment;

namespace AlignAesthetic;

/// <summary>What is trained on, and what is measured.</summary>
internal sealed class Rewards : IDisposable
{
    private Rewards(VideoReward aesthetic, VideoReward? text, VideoReward? rating, bool mixed)
    {
        (Aesthetic, Text, True) = (aesthetic, text, rating);
        TextWeight = mixed && text is not null ? 1 : 0;

        // VADER's aesthetic loss is 0.1 |score - 10|; the text term keeps colour, shape and background obeyed (0.65 to 0.72 in the trial).
        Training = VideoRewards.Mix(TextWeight > 0 ? [(aesthetic, AestheticWeight), (text!, TextWeight)] : [(aesthetic, AestheticWeight)]);
    }

    public float AestheticWeight => 0.1f;

    public float TextWeight { get; }

    /// <summary>The predicted rating, 1 .. 10.</summary>
    public VideoReward Aesthetic { get; }

    /// <summary>How well films match their prompts.</summary>
    public VideoReward? Text { get; }

    /// <summary>The known formula that the aesthetic head saw samples of; never trained on.</summary>
    public VideoReward? True { get; }

    /// <summary>What the model is aligned to.</summary>
    public VideoReward Training { get; }

    public static Rewards Open(Settings settings) => settings.Model is null
        ? new Rewards(VideoRewards.MovingShapesAesthetic(), VideoRewards.MovingShapesTextSimilarity(), VideoRewards.MovingShapesTrueRating(), settings.Reward == "mix")
        : new Rewards(VideoRewards.Aesthetic(settings.Clip!, settings.Head!), VideoRewards.TextImageSimilarity(settings.Clip!), rating: null, settings.Reward == "mix");

    public void Dispose()
    {
        // A sum owns its parts.
        Training.Dispose();
        if (TextWeight == 0)
        {
            Text?.Dispose();
        }

        True?.Dispose();
    }
}
