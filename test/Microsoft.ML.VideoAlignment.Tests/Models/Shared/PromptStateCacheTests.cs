using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

public class PromptStateCacheTests
{
    private TemporaryFolder _folder = null!;
    private DisposeScope _scope = null!;

    [SetUp]
    public void Open() => (_folder, _scope) = (new TemporaryFolder(), NewDisposeScope());

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Test]
    public void APromptIsEncodedOnceAndComesBackAsItWas()
    {
        TextStates first;
        using (PromptStateCache cache = Cache(out Counted counted))
        {
            first = cache.Encode(["a b", "c d e", "a b"]);
            Assert.That(counted.Asked, Is.EqualTo(new[] { "a b", "c d e" }), "each once");
        }

        using PromptStateCache again = Cache(out Counted later);
        TextStates second = again.Encode(["c d e", "a b"]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(later.Asked, Is.Empty);
            Assert.That(again.Hits, Is.EqualTo(2));
            Assert.That(second.States.Equals(first.States.flip(0)[1..]), "the same states, bit by bit");
            Assert.That(second.Mask.Equals(first.Mask.flip(0)[1..]));
        }
    }

    [Test]
    public void RowsOfTokensAreTheEncodersAndPaddingIsZero()
    {
        using PromptStateCache cache = Cache(out Counted counted);
        TextStates kept = cache.Encode(["a b"]);
        TextStates fresh = counted.Encode(["a b"]);
        Assert.That(kept.Mask.Equals(fresh.Mask));
        Assert.That(kept.States.Equals(fresh.States * fresh.Mask.unsqueeze(-1)));
        Assert.That(fresh.Mask.sum().item<long>(), Is.LessThan(fresh.Mask.numel()), "there is padding");
    }

    [Test]
    public void AnotherModelOrLengthIsAnotherEntry()
    {
        string[] paths = [.. new[] { Cache(out _), Cache(out _, model: "other"), Cache(out _, length: 9) }.Select(cache => cache.GetPath("a"))];
        Assert.That(paths.Distinct().Count(), Is.EqualTo(3));
        Assert.That(Cache(out _).GetPath("b"), Is.Not.EqualTo(paths[0]));
    }

    [TestCase(0, 0, TestName = "{m}(empty)")]
    [TestCase(40, -1, TestName = "{m}(cut)")]
    [TestCase(-1, -3, TestName = "{m}(one bit of the data)")]
    public void ADamagedEntryIsEncodedAndWrittenAnew(int length, int flipFromEnd)
    {
        using PromptStateCache cache = Cache(out Counted counted);
        Tensor expected = cache.Encode(["a b"]).States;
        byte[] bytes = File.ReadAllBytes(cache.GetPath("a b"));
        byte[] damaged = length < 0 ? [.. bytes] : bytes[..length];
        if (length < 0)
        {
            damaged[^-flipFromEnd] ^= 1;
        }

        File.WriteAllBytes(cache.GetPath("a b"), damaged);
        counted.Asked.Clear();
        Assert.That(cache.Encode(["a b"]).States.Equals(expected));
        Assert.That(counted.Asked, Is.EqualTo(new[] { "a b" }));
        Assert.That(File.ReadAllBytes(cache.GetPath("a b")), Is.EqualTo(bytes), "written anew");
        Assert.That(Directory.EnumerateFiles(_folder.Path("states")).Count(), Is.EqualTo(1), "no leftovers");
    }

    [Test]
    public void WeightsAreOpenedAtTheFirstPromptThatNeedsThem()
    {
        int opened = 0;
        (string, Tensor)[] weights = SmallT5.Weights();
        using var prompts = new T5PromptEncoder(Tokenizer(8), () =>
        {
            opened++;
            return new StreamedT5Encoder(new MemoryWeights(weights), SmallT5.Config, Placement.Cpu);
        });
        using var cache = new PromptStateCache(prompts, _folder.Path("states"), "m");
        Assert.That(opened, Is.Zero);
        cache.Encode(["a"]);
        Assert.That(opened, Is.EqualTo(1));
        cache.Release();
        cache.Encode(["a"]);
        Assert.That(opened, Is.EqualTo(1), "found in the folder");
        cache.Encode(["b"]);
        Assert.That(opened, Is.EqualTo(2), "released in between");
    }

    [Test]
    public void TheFingerprintSeesEveryPartOfALargeFile()
    {
        byte[] large = new byte[9 << 20];
        _folder.Write("model/model.safetensors", large);
        _folder.Write("model/config.json", "{}"u8);
        string whole = FolderFingerprint.Compute(_folder.Path("model"));
        Assert.That(FolderFingerprint.Compute(_folder.Path("model")), Is.EqualTo(whole));
        foreach (int at in new[] { 0, 1, large.Length - 1 })
        {
            large[at] ^= 1;
            _folder.Write("model/model.safetensors", large);
            Assert.That(FolderFingerprint.Compute(_folder.Path("model")), Is.Not.EqualTo(whole), $"byte {at}");
            large[at] ^= 1;
        }

        _folder.Write("model/model.safetensors", large.AsSpan(1));
        Assert.That(FolderFingerprint.Compute(_folder.Path("model")), Is.Not.EqualTo(whole), "another length");
    }

    internal static T5Tokenizer Tokenizer(int length) => new(new SentencePieceModel
    {
        Pieces =
        [
            new("<pad>", 0, PieceKind.Control), new("</s>", 0, PieceKind.Control), new("<unk>", 0, PieceKind.Unknown), new("\u2581", -3, PieceKind.Normal),
            .. "abcdefgh".Select(letter => new SentencePiece(letter.ToString(), -2, PieceKind.Normal)),
        ],
    }, length);

    private PromptStateCache Cache(out Counted counted, string model = "m", int length = 8)
    {
        (string, Tensor)[] weights = SmallT5.Weights();
        counted = new Counted(new T5PromptEncoder(Tokenizer(length), () => new StreamedT5Encoder(new MemoryWeights(weights), SmallT5.Config, Placement.Cpu)));
        return new PromptStateCache(counted, _folder.Path("states"), model);
    }

    /// <summary>Remembers what it was asked.</summary>
    private sealed class Counted(ITextStateEncoder inner) : ITextStateEncoder
    {
        public List<string> Asked { get; } = [];

        public Device Device => inner.Device;

        public int Length => inner.Length;

        public TextStates Encode(IReadOnlyList<string> prompts)
        {
            Asked.AddRange(prompts);
            return inner.Encode(prompts);
        }

        public int CountTruncated(string prompt) => inner.CountTruncated(prompt);

        public void MoveTo(Device device) => inner.MoveTo(device);

        public void Release() => inner.Release();

        public void Dispose() => inner.Dispose();
    }
}
