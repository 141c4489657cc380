using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>What a reward remembers of the run, as a part of its state.</summary>
internal sealed class RewardTraining(VideoReward reward) : IResumable
{
    public void Save(StateWriter state) => reward.WriteTraining(state);

    public void Load(StateReader state) => reward.ReadTraining(state);
}
