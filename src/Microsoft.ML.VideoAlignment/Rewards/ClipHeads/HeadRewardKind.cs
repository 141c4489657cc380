namespace Microsoft.ML.VideoAlignment.Rewards.ClipHeads;

/// <summary>The heads that VADER has on CLIP's image embedding.</summary>
/// <param name="Name">As model files name it.</param>
/// <param name="Title">As logs and tables name it.</param>
/// <param name="Form">What stands between and after the linear layers.</param>
/// <param name="Direction">Which way the score improves.</param>
/// <param name="ScoreRange">Where scores are expected.</param>
internal sealed record HeadRewardKind(string Name, string Title, HeadForm Form, ScoreDirection Direction, (float Low, float High) ScoreRange)
{
    /// <summary>LAION aesthetic predictor V2 (sac+logos+ava1-l14-linearMSE): ratings of people, about 1 .. 10.</summary>
    public static HeadRewardKind Aesthetic { get; } = new("Aesthetic", "aesthetic", HeadForm.Affine, ScoreDirection.HigherIsBetter, (1, 10));

    /// <summary>How likely the frame shows the weather the head was trained on, 0 .. 1.</summary>
    public static HeadRewardKind Weather { get; } = new("Weather", "weather", HeadForm.Sigmoid, ScoreDirection.HigherIsBetter, (0, 1));

    /// <summary>Predicted size of the frame as JPEG of quality 95, in kB (1000 bytes); lower is better.</summary>
    public static HeadRewardKind CompressedSize { get; } = new("CompressedSize", "compressed size", HeadForm.Rectified, ScoreDirection.LowerIsBetter, (0, 500));
}
