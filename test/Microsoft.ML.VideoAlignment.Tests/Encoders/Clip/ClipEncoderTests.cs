using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ClipEncoderTests
{
    private DisposeScope _scope = null!;
    private ClipModel _model = null!;
    private ClipTextEncoder _text = null!;
    private ClipVisionEncoder _vision = null!;

    [SetUp]
    public void Open()
    {
        _scope = NewDisposeScope();
        _model = SmallClip.Model();
        using var source = new MemoryWeights(SmallClip.Weights(_model));
        _text = ClipTextEncoder.FromSource(source, SmallClip.Config.Text, Placement.Cpu);
        _vision = ClipVisionEncoder.FromSource(source, SmallClip.Config.Vision, Placement.Cpu);
    }

    [TearDown]
    public void Close()
    {
        _model.Dispose();
        _text.Dispose();
        _vision.Dispose();
        _scope.Dispose();
    }

    [Test]
    public void LaterTokensDoNotChangeEarlierRows()
    {
        Tensor ids = SmallClip.Ids();
        Tensor other = ids.clone();
        other[TensorIndex.Colon, 4] = 11;
        Tensor difference = (_text.EncodeContext(ids) - _text.EncodeContext(other)).abs().amax([0, 2]);
        Assert.That(difference[..4].max().item<float>(), Is.Zero);
        Assert.That(difference[4].item<float>(), Is.GreaterThan(1e-3f));
    }

    [Test]
    public void ThePooledRowIsTheFirstEndTokens()
    {
        using ClipOutput output = _text.Encode(SmallClip.Ids());
        Assert.That(output.Pooled[0].Equals(output.LastHiddenState[0, 3]));
        Assert.That(output.Pooled[1].Equals(output.LastHiddenState[1, 2]));
    }

    [Test]
    public void ClipSkipZeroIsTheLastHiddenStateAndOneIsNot()
    {
        using ClipOutput output = _text.Encode(SmallClip.Ids(), keepHiddenStates: true);
        Assert.That(output.HiddenStates, Has.Count.EqualTo(3));
        Assert.That(_text.EncodeContext(SmallClip.Ids()).Equals(output.LastHiddenState));
        Assert.That(_text.EncodeContext(SmallClip.Ids(), clipSkip: 1).allclose(output.LastHiddenState), Is.False);
        Assert.That(() => _text.EncodeContext(SmallClip.Ids(), clipSkip: 3),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("2 layers"));
    }

    [Test]
    public void MoreTokensThanPositionsIsAnError() =>
        Assert.That(() => _text.EncodeContext(ones(1, 7, dtype: ScalarType.Int64)),
            Throws.ArgumentException.With.Message.Contains("7 tokens").And.Message.Contains("6 positions"));

    [Test]
    public void AnotherImageSizeIsAnErrorUnlessPositionsAreInterpolated()
    {
        Tensor wide = ones(1, 3, 9, 13);
        Assert.That(() => _vision.call(wide), Throws.ArgumentException.With.Message.Contains("B, 3, 9, 9").And.Message.Contains("[1, 3, 9, 13]"));
        using ClipOutput output = _vision.Encode(wide, interpolatePositions: true);
        Assert.That(output.LastHiddenState.shape, Is.EqualTo(new long[] { 1, 1 + (2 * 3), 12 }));
    }

    [Test]
    public void PixelsCarryGradientAndNoWeightAsksForIt()
    {
        Tensor pixels = SmallClip.Pixels().requires_grad_();
        _vision.call(pixels).square().sum().backward();
        Tensor seen = pixels.grad!.abs().sum([0, 1]);
        Assert.That(seen[..8, ..8].min().item<float>(), Is.GreaterThan(0));
        Assert.That(seen[8].max().item<float>(), Is.Zero, "the remainder below the last patch is not seen");
        Assert.That(_vision.parameters().All(parameter => !parameter.requires_grad));
    }

    [Test]
    public void NothingStaysAliveAfterTheOutputIsDisposed()
    {
        Tensor pixels = SmallClip.Pixels();
        Tensor ids = SmallClip.Ids();
        Tensor mask = ones_like(ids);
        void Once()
        {
            _vision.Encode(pixels, keepHiddenStates: true).Dispose();
            _text.Encode(ids, mask, keepHiddenStates: true).Dispose();
            _text.EncodeContext(ids, clipSkip: 1).Dispose();
            _model.GetImageFeatures(pixels).Dispose();
        }

        Once();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        using (DisposeScope outer = NewDisposeScope())
        {
            using ClipOutput output = _vision.Encode(pixels, keepHiddenStates: true);
            Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount - before, Is.EqualTo(2 + 1 + 3), "two outputs, the embedding, three states");
        }

        Once();
        Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount, Is.EqualTo(before));
    }
}
