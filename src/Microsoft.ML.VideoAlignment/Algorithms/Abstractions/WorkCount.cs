using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>Counts what a run has cost so far, in units that do not depend on the machine: what algorithms are compared by.</summary>
internal sealed class WorkCount : IRunObserver, IResumable
{
    /// <summary>Denoiser evaluations: one per video, step and guidance branch. What a backward pass recomputes is not counted.</summary>
    public long DenoiserEvaluations { get; private set; }

    /// <summary>Videos scored, those of validation included; each window of a video counts (<see cref="RewardFrames.Windows"/>).</summary>
    public long RewardQueries { get; private set; }

    /// <summary>Videos scored for validation, from which nothing is learned.</summary>
    public long ValidationQueries { get; private set; }

    void IRunObserver.DenoiserEvaluated(long rows) => DenoiserEvaluations += rows;

    /// <summary>Counts videos scored in training.</summary>
    /// <param name="videos">The number of videos.</param>
    public void AddRewardQueries(long videos) => RewardQueries += videos;

    /// <summary>Counts videos scored for validation.</summary>
    /// <param name="videos">The number of videos.</param>
    public void AddValidationQueries(long videos)
    {
        RewardQueries += videos;
        ValidationQueries += videos;
    }

    public void Save(StateWriter state)
    {
        state.Write("denoiserEvaluations", DenoiserEvaluations);
        state.Write("rewardQueries", RewardQueries);
        state.Write("heldOutQueries", ValidationQueries);
    }

    public void Load(StateReader state) => (DenoiserEvaluations, RewardQueries, ValidationQueries) =
        (state.ReadInteger("denoiserEvaluations"), state.ReadInteger("rewardQueries"), state.ReadInteger("heldOutQueries"));
}
