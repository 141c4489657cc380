using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class WanPromptEncoderTests
{
    private const int Length = 9;

    private DisposeScope _scope = null!;

    [SetUp]
    public void Open() => _scope = NewDisposeScope();

    [TearDown]
    public void Close() => _scope.Dispose();

    /// <summary>The reference pads to the whole length first; what the encoder makes of padding is replaced by zeros either way.</summary>
    [Test]
    public void RowsBeyondTheTextAreZerosAndOthersDoNotDependOnPadding()
    {
        using WanPromptEncoder encoder = Create(padToLongest: true);
        using WanPromptEncoder whole = Create(padToLongest: false);
        using TextStates states = encoder.Encode(["a b", "c d e f", ""]);
        using TextStates expected = whole.Encode(["a b", "c d e f", ""]);
        Assert.That(states.States.shape, Is.EqualTo(new long[] { 3, Length, SmallT5.Umt5.DModel }));
        Assert.That((states.States - expected.States).abs().max().item<float>(), Is.LessThan(1e-6));
        Assert.That(states.Mask.Equals(expected.Mask));
        Assert.That(states.Mask.sum(1).data<long>().ToArray(), Is.EqualTo(new long[] { 5, 9, 1 }), "a blank before every letter, and the end");
        Tensor beyond = states.States * (1 - states.Mask).unsqueeze(-1);
        Assert.That(beyond.abs().max().item<float>(), Is.Zero);
        Assert.That((states.States.abs().sum(2) > 0).to_type(ScalarType.Int64).Equals(states.Mask), "and no row of the text is");
    }

    [Test]
    public void PromptsAreCleanedBeforeTheyAreEncodedAndCounted()
    {
        using WanPromptEncoder encoder = Create(padToLongest: true);
        using TextStates written = encoder.Encode(["  a\n &amp;#98; "]);
        using TextStates plain = encoder.Encode(["a b"]);
        Assert.That(written.States.Equals(plain.States));
        Assert.That(encoder.CountTruncated("a     b    c    d "), Is.Zero);
        Assert.That(encoder.CountTruncated("a b c d e"), Is.EqualTo(2));
    }

    [Test]
    public void StatesFromFilesAreTheSame()
    {
        using var folder = new TemporaryFolder();
        using var cached = new WanPromptEncoder(new PromptStateCache(Texts(padToLongest: true), folder.Path("states"), "m"));
        using WanPromptEncoder encoder = Create(padToLongest: true);
        using TextStates expected = encoder.Encode(["a b", "c"]);
        foreach (int again in new[] { 0, 1 })
        {
            using TextStates states = cached.Encode(["a b", "c"]);
            Assert.That(states.States.Equals(expected.States), $"time {again}");
            Assert.That(states.Mask.Equals(expected.Mask));
        }
    }

    private static WanPromptEncoder Create(bool padToLongest) => new(Texts(padToLongest));

    private static T5PromptEncoder Texts(bool padToLongest)
    {
        (string, Tensor)[] weights = SmallT5.Weights(SmallT5.Umt5);
        return new T5PromptEncoder(
            PromptStateCacheTests.Tokenizer(Length), () => new StreamedT5Encoder(new MemoryWeights(weights), SmallT5.Umt5, Placement.Cpu),
            padToLongest: padToLongest);
    }
}
