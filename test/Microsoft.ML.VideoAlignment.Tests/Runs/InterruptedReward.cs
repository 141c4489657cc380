namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Mean brightness, until something comes between.</summary>
/// <param name="calls">Calls in training that are let through.</param>
/// <param name="interrupt">What happens in the next.</param>
internal sealed class InterruptedReward(int calls, Action interrupt) : VideoReward
{
    private int _left = int.MaxValue;

    public override string Name => "brightness";

    public override RewardContract Contract { get; } = new();

    protected internal override void BeginTraining() => _left = calls;

    public override void MoveTo(Device device)
    {
    }

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts)
    {
        if (_left-- == 0)
        {
            interrupt();
        }

        return frames.mean([1L, 2L, 3L, 4L]);
    }
}
