namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Mean brightness; counts its calls.</summary>
internal sealed class FakeReward : VideoReward
{
    public int Calls { get; private set; }

    public int Disposals { get; private set; }

    public override string Name => "brightness";

    public override RewardContract Contract { get; } = new();

    public FakeReward(RewardContract? contract = null) => Contract = contract ?? Contract;

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts)
    {
        Calls++;
        return frames.mean([1L, 2L, 3L, 4L]);
    }

    public override void MoveTo(Device device)
    {
    }

    protected override void Dispose(bool disposing)
    {
        Disposals++;
        base.Dispose(disposing);
    }
}
