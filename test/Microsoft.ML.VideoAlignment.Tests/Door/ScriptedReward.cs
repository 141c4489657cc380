namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Mean brightness, until the script says otherwise. Calls are counted from 1, the trial call before the first step included; those of validation apart.
/// </summary>
internal sealed class ScriptedReward : VideoReward
{
    private int _calls;

    public Func<int, Exception?>? Throw { get; set; }

    public Func<int, Exception?>? ThrowHeldOut { get; init; }

    public Func<int, double>? HeldOut { get; init; }

    public Func<int, double>? Factor { get; init; }

    public Func<int, long[]?>? Shape { get; init; }

    public Action? Scoring { get; init; }

    public Action? Begin { get; init; }

    public int HeldOutCalls { get; private set; }

    public override string Name => "scripted";

    public override RewardContract Contract { get; } = new();

    public override void MoveTo(Device device)
    {
    }

    protected internal override void BeginTraining() => Begin?.Invoke();

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts)
    {
        Scoring?.Invoke();
        bool heldOut = !frames.requires_grad && prompts.Any(static prompt => prompt.Contains("unseen", StringComparison.Ordinal));
        int call = heldOut ? ++HeldOutCalls : ++_calls;
        if ((heldOut ? ThrowHeldOut : Throw)?.Invoke(call) is { } thrown)
        {
            throw thrown;
        }

        Tensor score = frames.mean([1L, 2L, 3L, 4L]);
        score = heldOut && HeldOut is { } script ? zeros_like(score) + script(call) : score * (Factor?.Invoke(call) ?? 1);
        return Shape?.Invoke(call) is { } shape ? score.expand(shape) : score;
    }
}
