using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>A reward whose networks may be offloaded to the CPU, and are restored before it scores.</summary>
/// <param name="reward">The reward; disposing this object does not dispose it.</param>
/// <param name="idle">The offloader, which restores the reward's networks.</param>
internal sealed class OffloadedReward(VideoReward reward, CpuOffloader idle) : VideoReward
{
    public override string Name => reward.Name;

    public override RewardContract Contract => reward.Contract;

    internal override RewardReference Reference => reward.Reference;

    public override void MoveTo(Device device) => reward.MoveTo(device);

    public override void RestrictToPrompts(IReadOnlyList<string> prompts) => reward.RestrictToPrompts(prompts);

    internal override void BeginTraining() => reward.BeginTraining();

    internal override void SaveTraining(StateWriter state) => reward.SaveTraining(state);

    internal override void LoadTraining(StateReader state) => reward.LoadTraining(state);

    internal override void RequirePrompts(IEnumerable<string> prompts) => reward.RequirePrompts(prompts);

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => ScorePrepared(new PreprocessedFrames(frames), prompts, parts: null);

    private protected override Tensor ScorePrepared(PreprocessedFrames frames, IReadOnlyList<string> prompts, IDictionary<string, Tensor>? parts)
    {
        idle.Enter(WorkStage.Scoring);
        return reward.CheckedScore(frames, prompts, parts);
    }
}
