namespace Microsoft.ML.VideoAlignment.Rewards.Custom;

/// <summary>A reward from a function of the caller's.</summary>
internal sealed class CustomReward : VideoReward
{
    private readonly Func<Tensor, IReadOnlyList<string>, Tensor> _score;

    public CustomReward(string name, Func<Tensor, IReadOnlyList<string>, Tensor> score, RewardContract contract)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(score);
        ArgumentNullException.ThrowIfNull(contract);
        contract.Validate(name);
        (Name, _score, Contract) = (name, score, contract);
    }

    public override string Name { get; }

    public override RewardContract Contract { get; }

    public override void MoveTo(Device device)
    {
        // What the function closes over is its author's; frames arrive on the device of the run.
    }

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => _score(frames, prompts);
}
