using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>What a reward remembers of a run, as a part of the run's state.</summary>
/// <param name="reward">The reward.</param>
internal sealed class RewardState(VideoReward reward) : IResumable
{
    public void Save(StateWriter state) => reward.WriteTraining(state);

    public void Load(StateReader state) => reward.ReadTraining(state);
}
