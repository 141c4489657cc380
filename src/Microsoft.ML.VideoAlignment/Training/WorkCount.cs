using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>What a run has cost so far, in units that do not depend on the machine: what algorithms are compared by.</summary>
internal sealed class WorkCount : IRunObserver, IResumable
{
    /// <summary>Denoiser evaluations, one a video, step and guidance branch. What a backward pass computes again is not counted.</summary>
    public long DenoiserEvaluations { get; private set; }

    /// <summary>Videos scored, held-out ones included.</summary>
    public long RewardQueries { get; private set; }

    /// <summary>Videos scored in order to measure, which training never saw.</summary>
    public long HeldOutQueries { get; private set; }

    void IRunObserver.DenoiserEvaluated(long rows) => DenoiserEvaluations += rows;

    public void Scored(long videos) => RewardQueries += videos;

    public void Measured(long videos)
    {
        RewardQueries += videos;
        HeldOutQueries += videos;
    }

    public void Save(StateWriter state)
    {
        state.Write("denoiserEvaluations", DenoiserEvaluations);
        state.Write("rewardQueries", RewardQueries);
        state.Write("heldOutQueries", HeldOutQueries);
    }

    public void Load(StateReader state) => (DenoiserEvaluations, RewardQueries, HeldOutQueries) =
        (state.Integer("denoiserEvaluations"), state.Integer("rewardQueries"), state.Integer("heldOutQueries"));
}
