using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

public class UntrainedModelTests
{
    [Test]
    public void AVideoIsAFunctionOfSeedsAndPrompt([ValueSource(typeof(ModelPartsAccess), nameof(ModelPartsAccess.Families))] string family)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(family), same = VideoDiffusionModel.Untrained(family),
            other = VideoDiffusionModel.Untrained(family, seed: 2);
        Tensor video = Video(model, "a red circle");
        Assert.That(video.isfinite().all().ToBoolean());
        Assert.That(video.gt(0).logical_and(video.lt(1)).all().ToBoolean(), "of low contrast, nothing cut");
        Assert.That(video.Equals(Video(same, "a red circle")));
        Assert.That(video.Equals(Video(other, "a red circle")), Is.False);
        Assert.That(video.Equals(Video(model, "a blue square")), Is.EqualTo(model.Images == ImageUse.Required), "prompts are read");
    }

    [Test]
    public void FamilyAndSizeMustBeKnown()
    {
        Assert.That(() => VideoDiffusionModel.Untrained("Mars"),
            Throws.ArgumentException.With.Message.Contains("'Mars'").And.Message.Contains("ModelScope, StableVideoDiffusion, OpenSora, VideoCrafter"));
        Assert.That(() => VideoDiffusionModel.Untrained(VideoModelFamily.ModelScope, (UntrainedSize)9), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    private static Tensor Video(VideoDiffusionModel model, string prompt)
    {
        var settings = new SamplingSettings
        {
            Size = new VideoSize(model.Family == VideoModelFamily.OpenSora ? 17 : 2, 16, 16),
            Steps = 2,
            GuidanceScale = 2,
            FramesPerSecond = 7,
            MotionBucketId = 127,
        };
        VideoPrompt row = new(prompt, model.Images == ImageUse.Required ? () => full([3, 16, 16], 0.4) : null);
        return new VideoGenerator(model, settings).Generate([row], [3]).clone();
    }
}
