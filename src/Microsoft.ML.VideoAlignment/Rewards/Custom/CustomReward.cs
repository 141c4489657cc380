namespace Microsoft.ML.VideoAlignment.Rewards.Custom;

/// <summary>A reward from a function of the caller's.</summary>
internal sealed class CustomReward : VideoReward
{
    private readonly Func<Tensor, IReadOnlyList<string>, Tensor> _score;

    /// <param name="name">A short name for logs and tables.</param>
    /// <param name="score">(frames [B, 3, T, H, W] in [0, 1], B prompts) -> scores [B]. What it closes over is its author's to move.</param>
    /// <param name="contract">What the function expects and gives.</param>
    /// <exception cref="RewardContractException">The contract contradicts itself.</exception>
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

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => _score(frames, prompts);
}
