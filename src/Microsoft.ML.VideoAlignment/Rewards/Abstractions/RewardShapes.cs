namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// Stands for a reward in a dry run on shapes: the twins of its parts on the meta device, and the mean of the frames, which keeps next to nothing, where a
/// part has none.
/// </summary>
internal sealed class RewardShapes : IDisposable
{
    private RewardShapes(VideoReward stand, IReadOnlyList<string> weightsAlone, IReadOnlyList<string> unknown) =>
        (Twin, OnlyWeightsKnown, Unknown) = (stand, weightsAlone, unknown);

    /// <summary>Scores shapes, whatever the prompt.</summary>
    public VideoReward Twin { get; }

    /// <summary>Names of the parts of which only the weights are known, each with the reason where there is one.</summary>
    public IReadOnlyList<string> OnlyWeightsKnown { get; }

    /// <summary>Names of the parts of which nothing is known, code of the caller's.</summary>
    public IReadOnlyList<string> Unknown { get; }

    /// <summary>Makes the twins.</summary>
    /// <param name="reward">The reward; null: it is not known yet.</param>
    /// <exception cref="RewardContractException">A part's twin is not one.</exception>
    public static RewardShapes Create(VideoReward? reward)
    {
        VideoReward[] parts = reward is RewardMix mix ? [.. mix.Parts.Select(part => part.Reward)] : reward is null ? [] : [reward];
        List<VideoReward> stands = [];
        List<string> weightsAlone = [], unknown = [];
        try
        {
            foreach (VideoReward part in parts)
            {
                VideoReward? twin = MakeTwin(part, out string reason);
                stands.Add(twin ?? new FrameMean());
                if (twin is null)
                {
                    (part.Stored.Any() || reason.Length > 0 ? weightsAlone : unknown).Add($"'{part.Name}'{reason}");
                }
            }

            VideoReward all = stands.Count == 1 ? stands[0] : stands.Count == 0 ? new FrameMean() : new RewardMix([.. stands.Select(stand => (stand, 1f))]);
            return new RewardShapes(all, weightsAlone, unknown);
        }
        catch
        {
            stands.ForEach(stand => stand.Dispose());
            throw;
        }
    }

    public void Dispose() => Twin.Dispose();

    private static VideoReward? MakeTwin(VideoReward part, out string reason)
    {
        reason = "";
        if (part.ToMeta() is not { } twin)
        {
            return null;
        }

        if (ReferenceEquals(twin, part))
        {
            throw NotTwin(part, "it is the reward itself, which the estimate would dispose");
        }

        try
        {
            Require(part, twin);
            reason = Failure(twin);

            // The trial was a call: what the twin remembers of its calls is forgotten.
            twin.BeginTraining();
        }
        catch
        {
            twin.Dispose();
            throw;
        }

        if (reason.Length == 0)
        {
            return twin;
        }

        twin.Dispose();
        return null;
    }

    private static void Require(VideoReward part, VideoReward twin)
    {
        if (twin.Stored.FirstOrDefault(static tensor => tensor.device_type != DeviceType.META) is { } real)
        {
            throw NotTwin(part, $"it keeps a tensor {Tensors.Shapes.Describe(real)} on {real.device}, which takes memory");
        }

        (RewardContract expected, RewardContract got) = (part.Contract, twin.Contract);
        if ((got.MinimumFrames, got.FrameMultiple, got.ScoresFramesSeparately)
            != (expected.MinimumFrames, expected.FrameMultiple, expected.ScoresFramesSeparately))
        {
            throw NotTwin(part, "its contract asks for other frames");
        }
    }

    // Tries the twin once: libtorch lacks many an operation on the meta device, and code of the caller's may need one. Empty: it runs.
    private static string Failure(VideoReward twin)
    {
        RewardContract contract = twin.Contract;
        int count = Math.Max(contract.MinimumFrames, 1);
        count = (count + contract.FrameMultiple - 1) / contract.FrameMultiple * contract.FrameMultiple;
        (int height, int width) = contract.WorkingSize ?? (64, 64);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable mode = enable_grad();
        try
        {
            Tensor frames = empty([1, 3, count, height, width], device: META, requires_grad: true);
            _ = twin.Score(frames, [""], ScoreUse.Repetition);
            return "";
        }
        catch (Exception exception) when (exception is not (RewardContractException or ObjectDisposedException or OutOfMemoryException))
        {
            return $" (its twin of shapes failed: {exception.Message.Split('\n')[0].TrimEnd()})";
        }
    }

    private static RewardContractException NotTwin(VideoReward part, string why) => new(
        $"{nameof(VideoReward.ToMeta)} of reward '{part.Name}' must return a new reward of the same sizes whose tensors are on the meta device; {why}. "
        + "Return null where the reward cannot be run on shapes.");

    private sealed class FrameMean : VideoReward
    {
        public override string Name => "mean";

        public override RewardContract Contract { get; } = new();

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => frames.mean([1, 2, 3, 4]);
    }
}
