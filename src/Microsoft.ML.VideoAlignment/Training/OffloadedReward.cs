using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>A reward whose networks may be offloaded to the CPU, and are restored before it scores.</summary>
/// <param name="reward">The reward; disposing this object does not dispose it.</param>
/// <param name="idle">The offloader, which restores the reward's networks.</param>
internal sealed class OffloadedReward(VideoReward reward, CpuOffloader idle) : PreprocessingReward
{
    public override string Name => reward.Name;

    public override RewardContract Contract => reward.Contract;

    internal override RewardReference Reference => reward.Reference;

    public override void MoveTo(Device device) => reward.MoveTo(device);

    public override void RestrictToPrompts(IReadOnlyList<string> prompts) => reward.RestrictToPrompts(prompts);

    protected internal override void BeginTraining() => reward.BeginTraining();

    internal override void WriteTraining(StateWriter state) => reward.WriteTraining(state);

    internal override void ReadTraining(StateReader state) => reward.ReadTraining(state);

    protected internal override void RequirePrompts(IEnumerable<string> prompts) => reward.RequirePrompts(prompts);

    protected override Tensor ScoreCore(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        idle.Enter(WorkStage.Scoring);
        return reward.CheckedScore(frames, prompts);
    }
}
