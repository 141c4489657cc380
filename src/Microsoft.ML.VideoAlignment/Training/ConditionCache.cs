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
                return Make(prompts, noise);
            }

            foreach (VideoPrompt prompt in prompts.Where(prompt => !_kept.ContainsKey(prompt.Text)).DistinctBy(prompt => prompt.Text).ToList())
            {
                (Condition conditional, Condition? unconditional) = Make([prompt], noise);
                _kept[prompt.Text] = (conditional.DetachFromDisposeScope(), unconditional?.DetachFromDisposeScope());
            }

            var rows = prompts.Select(prompt => _kept[prompt.Text]).ToList();
            return (Condition.Stack([.. rows.Select(row => row.Conditional)]), Acts ? Condition.Stack([.. rows.Select(row => row.Unconditional!)]) : null);
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

    private (Condition Conditional, Condition? Unconditional) Make(IReadOnlyList<VideoPrompt> prompts, Func<IReadOnlyList<long>, Tensor> noise)
    {
        VideoRequest request = sampling.Request(prompts, noise);
        Condition conditional = model.Encode(request);
        return (conditional, Acts ? model.EncodeUnconditional(request, conditional) : null);
    }
}
