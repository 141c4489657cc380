using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>Counts what a run has cost so far, in units that do not depend on the machine: what algorithms are compared by.</summary>
internal sealed class WorkCount : IResumable
{
    /// <summary>Denoiser evaluations: one per video, step and guidance branch. What a backward pass recomputes is not counted.</summary>
    public long DenoiserEvaluations { get; private set; }

    /// <summary>Videos scored, those of validation included.</summary>
    public long RewardQueries { get; private set; }

    /// <summary>Videos scored for validation, from which nothing is learned.</summary>
    public long HeldOutQueries { get; private set; }

    /// <summary>Counts evaluations of the denoiser.</summary>
    /// <param name="evaluations">Videos x steps x guidance branches.</param>
    public void Denoised(long evaluations) => DenoiserEvaluations += evaluations;

    /// <summary>Counts videos scored in training.</summary>
    /// <param name="videos">The number of videos.</param>
    public void Scored(long videos) => RewardQueries += videos;

    /// <summary>Counts videos scored for validation.</summary>
    /// <param name="videos">The number of videos.</param>
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
