using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Tests;

public class UnitRangeTests
{
    [Test]
    public void ValuesAndGradientByHand()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pixels = tensor([-3f, -1f, -0.5f, 0f, 1f, 1.5f]).requires_grad_(true);
        Tensor frames = UnitRange.FromSigned(pixels);
        Assert.That(frames.data<float>().ToArray(), Is.EqualTo(new[] { 0f, 0f, 0.25f, 0.5f, 1f, 1f }));
        frames.sum().backward();
        Assert.That(pixels.grad!.data<float>().ToArray(), Is.EqualTo(new[] { 0f, 0f, 0.5f, 0.5f, 0f, 0f }));
    }
}
