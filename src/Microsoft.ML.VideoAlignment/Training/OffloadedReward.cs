using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>A reward that may be waiting off the device when it is asked; it belongs to the caller.</summary>
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
