using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Which denoising steps the reward's gradient reaches (VADER, arXiv 2407.08737), and how far the model may move from the base.</summary>
public sealed record RewardGradientOptions
{
    /// <summary>
    /// K: how many of the last denoising steps carry gradient, from 1 to <see cref="VideoSamplingOptions.Steps"/>; 1 by default (VADER). Memory and time of a
    /// training step grow with K, not with the other steps.
    /// </summary>
    /// <remarks>For Stable Video Diffusion, whose last steps are nearly inert, it is the K steps that move the video most.</remarks>
    public int GradientSteps { get; init; } = 1;

    /// <summary>Another choice of gradient steps; null (default): the last <see cref="GradientSteps"/>.</summary>
    public GradientWindow? Window { get; init; }

    /// <summary>
    /// Whether the frame with which a segment begins carries gradient, so that the reward of a later segment reaches the denoising steps of earlier ones; false
    /// by default: gradient stays inside a segment.
    /// </summary>
    public bool CarryGradientAcrossSegments { get; init; }

    /// <summary>
    /// Weight of a penalty on leaving the base model, at least 0; 0 by default, as in VADER. It costs one more denoiser evaluation per gradient step, and is
    /// not for videos of several segments.
    /// </summary>
    /// <remarks>
    /// The penalty is the mean over gradient steps of mean (e_aligned - e_base)^2, which is the KL divergence of the two denoising steps up to a factor of the
    /// step (DPOK, arXiv 2305.16381, section 4.2).
    /// </remarks>
    public double KlWeight { get; init; }

    /// <summary>Gets the gradient window: the one that is set, else the last K steps, or the most sensitive ones where the last are nearly inert.</summary>
    /// <param name="model">The model to align.</param>
    internal GradientWindow ResolveWindow(VideoDiffusionModel model) =>
        Window ?? (model.LastStepIsInert ? GradientWindow.MostSensitive(GradientSteps) : GradientWindow.LastSteps(GradientSteps));

    /// <summary>Lists what is wrong with the options, one sentence each.</summary>
    internal IReadOnlyList<string> Faults()
    {
        var faults = new OptionFaults(nameof(RewardGradientOptions));
        faults.Require(GradientSteps >= 1, GradientSteps, "at least 1");
        faults.Require(Window is null || GradientSteps == 1, GradientSteps, $"left alone when {nameof(Window)} is set");
        faults.Require(KlWeight >= 0 && double.IsFinite(KlWeight), KlWeight, "at least 0");
        return faults.All;
    }
}
