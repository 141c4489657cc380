using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>Scores finished latents for algorithms that learn from the numbers alone: nothing is recorded, so the reward need not be differentiable.</summary>
/// <param name="model">Decodes.</param>
/// <param name="reward">Scores.</param>
/// <param name="sampling">How the latents were made.</param>
/// <param name="frames">What the reward is shown.</param>
/// <param name="loss">Says which way a score is better.</param>
/// <param name="work">Counts the queries.</param>
internal sealed class ScoredVideos(VideoDiffusionModel model, VideoReward reward, SamplingSettings sampling, RewardFrames frames, RewardLoss loss, WorkCount work)
{
    /// <summary>latents: [B, c, T, h, w]; draw: uniform integer below its argument.</summary>
    /// <returns>The scores, and how much each is worth: the loss of that score alone, negated.</returns>
    public (double[] Scores, double[] Worth) Of(Tensor latents, IReadOnlyList<string> prompts, Func<int, int> draw)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        var chain = new ClipChain(model, sampling, model.CreateSampler(sampling), adapters: null);
        IReadOnlyList<int> chosen = frames.Select(sampling.RewardFrameCount(model), draw);
        Tensor shown = cat([.. chosen.Chunk(model.FramesDecodedTogether).Select(part => UnitRange.FromSigned(chain.DecodeForReward(latents, part)))], dim: 2);
        MemoryMeter.Enter(MemoryPhase.Score);
        MemoryMeter.Look();
        Tensor scores = reward.Score(shown, [.. prompts.Select(prompt => model.RewardText(prompt, sampling.SegmentCount))]).to_type(ScalarType.Float64);
        work.Scored(prompts.Count);
        double[] values = [.. scores.unbind().Select(ShapeOnly.Number)];
        return (values, [.. values.Select(value => -loss.Of(tensor(value)).ToDouble())]);
    }
}
