using Microsoft.ML.VideoAlignment.Pipelines;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// Conditions of a training run. Those of texts are made once and kept, row by row, since a run comes back to its prompts many times; those of pictures,
/// which hold fresh noise, are made each time. Nothing here carries gradient.
/// </summary>
internal sealed class ConditionCache(VideoDiffusionModel model, SamplingSettings sampling) : IDisposable
{
    private readonly Dictionary<string, (Condition Conditional, Condition? Unconditional)> _kept = new(StringComparer.Ordinal);

    /// <summary>Both branches of a batch; the second is null where guidance does not act. <paramref name="noise"/>: see <see cref="VideoRequest.Noise"/>.</summary>
    public (Condition Conditional, Condition? Unconditional) Of(IReadOnlyList<VideoPrompt> prompts, Func<IReadOnlyList<long>, Tensor> noise)
    {
        using (no_grad())
        {
            if (model.ReadsImages)
            {
                return Make(sampling.Request(prompts, noise));
            }

            foreach (VideoPrompt prompt in prompts.Where(prompt => !_kept.ContainsKey(prompt.Text)).DistinctBy(prompt => prompt.Text).ToList())
            {
                (Condition conditional, Condition? unconditional) = Make(sampling.Request([prompt], noise));
                _kept[prompt.Text] = (conditional.DetachFromDisposeScope(), unconditional?.DetachFromDisposeScope());
            }

            var rows = prompts.Select(prompt => _kept[prompt.Text]).ToList();
            return (Condition.Stack([.. rows.Select(row => row.Conditional)]), Acts ? Condition.Stack([.. rows.Select(row => row.Unconditional!)]) : null);
        }
    }

    /// <summary>
    /// Both branches of a film's further clip, which begins with <paramref name="images"/> [B, 3, H, W], RGB in [0, 1]. They carry gradient where the images
    /// do.
    /// </summary>
    public (Condition Conditional, Condition? Unconditional) After(IReadOnlyList<VideoPrompt> prompts, Tensor images, Func<IReadOnlyList<long>, Tensor> noise)
    {
        using (set_grad_enabled(images.requires_grad && is_grad_enabled()))
        {
            return Make(sampling.Request([.. prompts.Select(prompt => prompt with { Image = null })], noise) with { Images = images });
        }
    }

    public void Dispose()
    {
        foreach ((Condition conditional, Condition? unconditional) in _kept.Values)
        {
            conditional.Dispose();
            unconditional?.Dispose();
        }
    }

    private bool Acts => model.GuidanceActs(sampling.GuidanceScale);

    private (Condition Conditional, Condition? Unconditional) Make(VideoRequest request)
    {
        Condition conditional = model.Encode(request);
        return (conditional, Acts ? model.EncodeUnconditional(request, conditional) : null);
    }
}
