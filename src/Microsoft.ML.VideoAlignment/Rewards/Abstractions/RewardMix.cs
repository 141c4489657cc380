using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// A weighted sum of rewards. Sums of sums are flattened, so that parts are always plain rewards, each once; only a normalized sum within a sum stays whole.
/// </summary>
internal sealed class RewardMix : PreprocessingReward
{
    private const string MomentsEntry = "moments";

    /// <summary>Separates the moments of the parts in files before 0.2.</summary>
    private const char OldSeparator = ';';

    /// <summary>Below it a spread is rounding, and dividing by it would blow up noise.</summary>
    private const double LeastDeviation = 1e-6;

    private readonly (string Name, VideoReward Reward, float Weight)[] _parts;
    private readonly RunningMoments[]? _moments;
    private readonly VideoReward[] _owned;

    /// <summary>Makes a sum, which then owns its parts together with the other sums that they are in. Where it cannot be made nothing is taken over.</summary>
    /// <param name="parts">Rewards and weights.</param>
    /// <param name="normalize">Whether each part's score is shifted and scaled by the mean and deviation of what it gave in training.</param>
    /// <exception cref="RewardContractException">A weight is 0 or not finite, or the parts' contracts do not go together.</exception>
    /// <exception cref="ObjectDisposedException">A part has been disposed.</exception>
    public RewardMix(IReadOnlyList<(VideoReward Reward, float Weight)> parts, bool normalize = false)
    {
        ArgumentNullException.ThrowIfNull(parts);
        _parts = Named(Flatten(parts));
        Name = string.Join(" + ", _parts.Select(part => part.Weight == 1 ? part.Name : $"{part.Weight} * {part.Name}"));
        Contract = Merge(_parts);
        if (normalize)
        {
            _moments = [.. _parts.Select(_ => new RunningMoments())];
            Name = $"normalized ({Name})";
            Contract = Contract with { ScoreRange = (float.NegativeInfinity, float.PositiveInfinity) };
        }

        // What was given, so that a sum within this one goes with it; and the plain rewards, so that such a sum's end is not theirs.
        IEnumerable<VideoReward> plain = _parts.Select(part => part.Reward);
        _owned = TakeOver([.. parts.Select(part => part.Reward).Concat(plain).Distinct<VideoReward>(ReferenceEqualityComparer.Instance)]);
    }

    private static VideoReward[] TakeOver(VideoReward[] rewards)
    {
        int taken = 0;
        try
        {
            for (; taken < rewards.Length; taken++)
            {
                rewards[taken].AddOwner();
            }

            return rewards;
        }
        catch
        {
            foreach (VideoReward reward in rewards.Take(taken))
            {
                reward.ForgetOwner();
            }

            throw;
        }
    }

    /// <summary>Makes a sum again.</summary>
    /// <param name="reference">What stands in a file.</param>
    /// <param name="parts">Its parts with their weights.</param>
    /// <returns>The sum, which owns the parts.</returns>
    /// <exception cref="InvalidDataException">The running moments in it cannot be read.</exception>
    public static RewardMix FromReference(RewardReference reference, IReadOnlyList<(VideoReward Reward, float Weight)> parts)
    {
        if ((reference.PartMoments ?? reference.Arguments?.GetValueOrDefault(MomentsEntry)?.Split(OldSeparator)) is not { } moments)
        {
            return new RewardMix(parts);
        }

        var mix = new RewardMix(parts, normalize: true);
        try
        {
            for (int i = 0; i < mix._moments!.Length; i++)
            {
                mix._moments[i] = RunningMoments.Parse(moments[i]);
            }
        }
        catch (Exception exception) when (exception is FormatException or IndexOutOfRangeException or ArgumentOutOfRangeException)
        {
            string text = string.Join(OldSeparator, moments);
            throw new InvalidDataException($"The saved sum of rewards has running moments that cannot be read: '{text}'.", exception);
        }

        return mix;
    }

    public override string Name { get; }

    public override RewardContract Contract { get; }

    /// <summary>The plain rewards with their weights; names are unique.</summary>
    public IReadOnlyList<(string Name, VideoReward Reward, float Weight)> Parts => _parts;

    /// <summary>Finds the rewards that a reward is made of: itself where it is not a sum, else those of its parts.</summary>
    /// <param name="reward">The reward.</param>
    public static IEnumerable<VideoReward> PlainParts(VideoReward reward) =>
        reward is RewardMix mix ? mix._parts.SelectMany(static part => PlainParts(part.Reward)) : [reward];

    internal override RewardReference Reference => new()
    {
        Kind = RewardReference.MixKind,
        Parts = [.. _parts.Select(part => new RewardReference.WeightedPart(part.Weight, part.Reward.Reference))],
        PartMoments = _moments?.Select(moments => moments.ToText()).ToArray(),
    };

    protected internal override IEnumerable<nn.Module> Networks => _parts.SelectMany(part => part.Reward.Networks);

    protected internal override IEnumerable<Tensor> Stored => _parts.SelectMany(part => part.Reward.Stored);

    internal override void RequireAlive()
    {
        base.RequireAlive();
        foreach ((_, VideoReward reward, _) in _parts)
        {
            reward.RequireAlive();
        }
    }

    protected internal override IEnumerable<Tensor> StoredForPrompts => _parts.SelectMany(part => part.Reward.StoredForPrompts);

    protected internal override IDisposable? PreparePrompts(IReadOnlyList<string> prompts, CancellationToken cancellation) =>
        JointPreparation.Begin(_parts.Select(part => part.Reward), prompts, cancellation);

    public override void MoveTo(Device device)
    {
        RequireAlive();
        foreach ((_, VideoReward reward, _) in _parts)
        {
            reward.MoveTo(device);
        }
    }

    protected internal override void RequirePrompts(IEnumerable<string> prompts)
    {
        foreach ((_, VideoReward reward, _) in _parts)
        {
            reward.RequirePrompts(prompts);
        }
    }

    protected internal override void BeginTraining()
    {
        foreach ((_, VideoReward reward, _) in _parts)
        {
            reward.BeginTraining();
        }

        foreach (RunningMoments moments in _moments ?? [])
        {
            moments.Clear();
        }
    }

    internal override void WriteTraining(StateWriter state)
    {
        foreach ((int index, (_, VideoReward reward, _)) in _parts.Index())
        {
            reward.WriteTraining(state.AddSection($"{index}"));
        }

        if (_moments is not null)
        {
            state.WriteList(MomentsEntry, [.. _moments.Select(moments => moments.ToText())]);
        }
    }

    internal override void ReadTraining(StateReader state)
    {
        foreach ((int index, (_, VideoReward reward, _)) in _parts.Index())
        {
            reward.ReadTraining(state.OpenSection($"{index}"));
        }

        if (_moments is null)
        {
            return;
        }

        string[] moments = state.ReadTexts(MomentsEntry);
        if (moments.Length != _moments.Length)
        {
            throw state.CreateFault(MomentsEntry, $"is of {moments.Length} parts, and the sum has {_moments.Length}");
        }

        foreach ((int index, string text) in moments.Index())
        {
            try
            {
                _moments[index] = RunningMoments.Parse(text);
            }
            catch (FormatException error)
            {
                throw state.CreateFault(MomentsEntry, error.Message.TrimEnd('.'));
            }
        }
    }

    public override void RestrictToPrompts(IReadOnlyList<string> prompts)
    {
        RequireAlive();
        foreach ((_, VideoReward reward, _) in _parts)
        {
            reward.RestrictToPrompts(prompts);
        }
    }

    internal override int PartCount => _parts.Sum(part => part.Reward.PartCount);

    internal override IReadOnlyList<Tensor> ScoreParts(PreprocessedFrames frames, IReadOnlyList<string> prompts) =>
        [.. _parts.SelectMany(part => part.Reward.ScoreParts(frames, prompts))];

    internal override Tensor Combine(IReadOnlyList<Tensor> parts, ScoreUse use) => Sum(parts, use, named: null);

    internal override double BoundRounding(IReadOnlyList<Tensor> parts)
    {
        double total = 0;
        int next = 0;
        for (int i = 0; i < _parts.Length; i++)
        {
            (_, VideoReward reward, float weight) = _parts[i];
            double divisor = _moments is null ? 1 : Divisor(_moments[i].StandardDeviation);
            total += Math.Abs(weight) * reward.BoundRounding([.. parts.Skip(next).Take(reward.PartCount)]) / divisor;
            next += reward.PartCount;
        }

        return total;
    }

    protected override Tensor ScoreCore(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        ScoreUse use = frames.Use == ScoreUse.Scoring && is_grad_enabled() && frames.Frames.requires_grad ? ScoreUse.Training : frames.Use;
        return Sum(ScoreParts(frames, prompts), use, frames.PartScores);
    }

    // named receives the score of each part before its weight; null: not wanted.
    private Tensor Sum(IReadOnlyList<Tensor> scores, ScoreUse use, IDictionary<string, Tensor>? named)
    {
        Tensor? total = null;
        int next = 0;
        for (int i = 0; i < _parts.Length; i++)
        {
            (string name, VideoReward reward, float weight) = _parts[i];
            Tensor score = reward.Combine([.. scores.Skip(next).Take(reward.PartCount)], use);
            next += reward.PartCount;
            named?.Add(name, score);
            Tensor weighted = (_moments is null || use == ScoreUse.Validation ? score : Normalized(score, _moments[i], use)).Mul(weight);
            total = total is null ? weighted : total.Add(weighted);
        }

        return total!;
    }

    // (score - mean) / deviation, both constants: the gradient is the score's own, divided by the deviation.
    private static Tensor Normalized(Tensor score, RunningMoments moments, ScoreUse use)
    {
        if (use == ScoreUse.Training)
        {
            moments.Add(score);
        }

        double mean = StopGradient.Detach(() => moments.Mean);
        double deviation = StopGradient.Detach(() => moments.StandardDeviation);
        return score.Sub(mean).Div(Divisor(deviation));
    }

    private static double Divisor(double deviation) => deviation > LeastDeviation ? deviation : 1;

    protected override void Dispose(bool disposing)
    {
        foreach (VideoReward reward in _owned)
        {
            reward.RemoveOwner();
        }

        base.Dispose(disposing: false); // the networks are the parts' to dispose
    }

    private static List<(VideoReward Reward, float Weight)> Flatten(IEnumerable<(VideoReward Reward, float Weight)> parts)
    {
        var flat = new List<(VideoReward Reward, float Weight)>();
        foreach ((VideoReward reward, float weight) in parts)
        {
            ArgumentNullException.ThrowIfNull(reward);
            reward.RequireAlive();
            if (!float.IsFinite(weight) || weight == 0)
            {
                throw new RewardContractException(
                    $"The weight of reward '{reward.Name}' must be a number other than 0, got {weight}. Leave the part out instead.");
            }

            IEnumerable<(VideoReward Reward, float Weight)> leaves = reward is RewardMix { _moments: null } mix
                ? mix._parts.Select(part => (part.Reward, part.Weight))
                : [(reward, 1f)];
            foreach ((VideoReward leaf, float inner) in leaves)
            {
                int known = flat.FindIndex(part => ReferenceEquals(part.Reward, leaf));
                if (known >= 0)
                {
                    flat[known] = (leaf, flat[known].Weight + (weight * inner));
                }
                else
                {
                    flat.Add((leaf, weight * inner));
                }
            }
        }

        flat.RemoveAll(part => part.Weight == 0);
        return flat.Count > 0 ? flat : throw new RewardContractException("A sum of rewards needs at least one part with a weight other than 0.");
    }

    private static (string Name, VideoReward Reward, float Weight)[] Named(List<(VideoReward Reward, float Weight)> parts)
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        return [.. parts.Select(part =>
        {
            string name = part.Reward.Name;
            for (int i = 2; !used.Add(name); i++)
            {
                name = $"{part.Reward.Name} ({i})";
            }

            return (name, part.Reward, part.Weight);
        })];
    }

    // What the sum asks of frames is the strictest of what its parts ask. It is differentiable only if every part is: else a part would be ignored.
    private static RewardContract Merge((string Name, VideoReward Reward, float Weight)[] parts)
    {
        (string Name, RewardContract Contract, float Weight)[] contracts = [.. parts.Select(part => (part.Name, part.Reward.Contract, part.Weight))];
        RewardContract first = contracts[0].Contract;
        ScoreDirection[] directions = [.. contracts.Select(part => part.Weight > 0 ? part.Contract.Direction : 1 - part.Contract.Direction)];
        bool Rises(int part) => directions[part] == ScoreDirection.HigherIsBetter;
        if (directions.Distinct().Count() > 1)
        {
            throw new RewardContractException("The parts of a sum must improve in one direction: " +
                string.Join(", ", contracts.Select((part, i) => $"{part.Weight} * {part.Name} {(Rises(i) ? "rises" : "falls")}")) +
                " as videos get better. Give the parts that fall a weight of the other sign.");
        }

        double?[] rates = [.. contracts.Select(part => part.Contract.FramesPerSecond).Where(rate => rate is not null).Distinct()];
        if (rates.Length > 1)
        {
            throw new RewardContractException("The parts of a sum want different frame rates: " +
                string.Join(", ", contracts.Select(part => $"{part.Name} {(part.Contract.FramesPerSecond is { } rate ? $"{rate}" : "any")}")) + ".");
        }

        bool oneSize = contracts.All(part => (part.Contract.WorkingSize, part.Contract.Resizing) == (first.WorkingSize, first.Resizing));
        (float Low, float High)[] ranges = [.. contracts.Select(part => part.Weight > 0
            ? (part.Contract.ScoreRange.Low * part.Weight, part.Contract.ScoreRange.High * part.Weight)
            : (part.Contract.ScoreRange.High * part.Weight, part.Contract.ScoreRange.Low * part.Weight))];
        return new RewardContract
        {
            IsDifferentiable = contracts.All(part => part.Contract.IsDifferentiable),
            GradientMayVanish = contracts.All(part => part.Contract.GradientMayVanish),
            ReadsPrompt = contracts.Any(part => part.Contract.ReadsPrompt),
            MinimumFrames = contracts.Max(part => part.Contract.MinimumFrames),
            FrameMultiple = contracts.Aggregate(1, (multiple, part) => LeastCommonMultiple(multiple, part.Contract.FrameMultiple)),
            FramesPerSecond = rates.FirstOrDefault(),
            ScoresFramesSeparately = contracts.All(part => part.Contract.ScoresFramesSeparately),
            WorkingSize = oneSize ? first.WorkingSize : null,
            Resizing = oneSize ? first.Resizing : null,
            ScoreRange = (ranges.Sum(range => range.Low), ranges.Sum(range => range.High)),
            Direction = directions[0],
            QueriesPerCall = contracts.Sum(part => part.Contract.QueriesPerCall),
        };
    }

    private static int LeastCommonMultiple(int a, int b)
    {
        (int x, int y) = (a, b);
        while (y != 0)
        {
            (x, y) = (y, x % y);
        }

        long multiple = (long)(a / x) * b;
        return multiple <= int.MaxValue ? (int)multiple : throw new RewardContractException(
            $"The parts of a sum take multiples of {a} and of {b} frames, and the least number that is both is {multiple}: no video is so long. Score them "
                + "by themselves.");
    }
}
