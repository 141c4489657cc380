using System.Text;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The errors of files that cannot be read, and the limits of those that can.</summary>
public class WeightFileTests
{
    private const string Lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

    [TestCase("model.safetensors", Lfs, "Git LFS pointer")]
    [TestCase("model.bin", "\n<!DOCTYPE html><html>not found</html>", "web page")]
    [TestCase("model.safetensors", "<html>login</html>", "web page")]
    [TestCase("model.pt", "(S'x'\n.", "bare pickle")]
    [TestCase("model.bin", "", "empty")]
    [TestCase("model.bin", "GGUF....", "GGUF")]
    [TestCase("model.bin", "\u0001\u0002\u0003\u0004", "01020304")]
    [TestCase("model.json", "{\"a\": 1}", "weight_map")]
    public void AForeignFileIsNamed(string name, string content, string expected)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write(name, Encoding.UTF8.GetBytes(content));
        Assert.That(() => WeightFile.Open(path),
            Throws.TypeOf<WeightFileException>().With.Message.Contain(expected).And.Message.StartWith(path).And.Property("Location").EqualTo(path));
    }

    [Test]
    public void AMissingFileIsNamed()
    {
        using var folder = new TemporaryFolder();
        Assert.That(() => WeightFile.Open(folder.Path("none.bin")), Throws.TypeOf<WeightFileException>().With.Message.Contain("no such file"));
    }

    [Test]
    public void ATruncatedFileIsCalledTruncated([Values("weights.safetensors", "weights.pt")] string name)
    {
        using var folder = new TemporaryFolder();
        using Tensor ramp = arange(100, dtype: ScalarType.Float32);
        string path = folder.Path(name);
        var tensors = new Dictionary<string, Tensor> { ["a"] = ramp };
        if (name.EndsWith(".pt", StringComparison.Ordinal))
        {
            TorchZipWriter.Write(path, tensors);
        }
        else
        {
            SafetensorsWriter.Write(path, tensors);
        }

        folder.Write(name, File.ReadAllBytes(path).AsSpan()[..^60]);
        Assert.That(() => WeightFile.Open(path), Throws.TypeOf<WeightFileException>().With.Message.Contain("truncated"));
    }

    [Test]
    public void TensorsBehindFourGigabytesAreReached()
    {
        // A sparse file: 5 GB that take no disk, and the last tensor after them.
        using var folder = new TemporaryFolder();
        const long gap = 5_000_000_000;
        byte[] header = Encoding.UTF8.GetBytes(
            $$$"""{"gap":{"dtype":"U8","shape":[{{{gap}}}],"data_offsets":[0,{{{gap}}}]}"""
            + $$$""","last":{"dtype":"F32","shape":[2],"data_offsets":[{{{gap}}},{{{gap + 8}}}]}}""");
        string path = folder.Write("weights.safetensors", [.. BitConverter.GetBytes((ulong)header.Length), .. header]);
        using (FileStream file = File.OpenWrite(path))
        {
            file.SetLength(8 + header.Length + gap);
            file.Position = file.Length;
            file.Write([.. BitConverter.GetBytes(1.5f), .. BitConverter.GetBytes(-2f)]);
        }

        using IWeightSource source = WeightFile.Open(path);
        using Tensor last = source.Read("last");
        Assert.That(last.data<float>().ToArray(), Is.EqualTo(new[] { 1.5f, -2f }));
        Assert.That(source.Entries["gap"].Shape, Is.EqualTo(new[] { gap }));
    }

    [TestCase(1)]
    [TestCase(12)]
    [TestCase(1000)]
    public void SlicesCoverATensorOnceAndInOrder(long bytes)
    {
        using Tensor ramp = arange(35, dtype: ScalarType.Float32).reshape(5, 7);
        float[] seen = [.. TensorSlices.Enumerate(ramp, bytes).SelectMany(part => part.data<float>().ToArray())];
        Assert.That(seen, Is.EqualTo(ramp.data<float>().ToArray()));
    }

    [Test]
    public void EntriesOfAPyTorchFileAreChosenByName()
    {
        string path = ConformanceFile("torch-nested", "weights.pt");
        using IWeightSource source = WeightFile.Open(path, "state_dict");
        Assert.That(source.Entries.Keys, Is.EqualTo(new[] { "a.weight", "a.bias" }));
        using IWeightSource deep = WeightFile.Open(path, "deep/x/y/z");
        Assert.That(deep.Entries.Keys, Is.EqualTo(new[] { "0" }));
        Assert.That(() => WeightFile.Open(path), Throws.TypeOf<WeightFileException>().With.Message.Contain("state_dict"));
        Assert.That(() => WeightFile.Open(path, "ema"),
            Throws.TypeOf<WeightFileException>().With.Message.Contain("no entry 'ema'").And.Message.Contain("state_dict, epoch"));
    }

    [TestCase(1000, true)]
    [TestCase(1001, false)]
    public void ContainersNestAThousandDeepAtMost(int depth, bool allowed)
    {
        byte[] pickle = [.. Enumerable.Repeat((byte)']', depth), .. Enumerable.Repeat((byte)'a', depth - 1), (byte)'.'];
        Assert.That(() => Unpickle(pickle), allowed ? Throws.Nothing : Throws.TypeOf<WeightFileException>().With.Message.Contain("deeper than 1000"));
    }

    [Test]
    public void MillionsOfContainersAreRefusedInLittleMemory([Values("]", "}", "2", "}K\u0001K\u0002s", "(")] string repeated)
    {
        byte[] pickle = [(byte)'N', .. Encoding.Latin1.GetBytes(string.Concat(Enumerable.Repeat(repeated, 3_000_000)))];
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => Unpickle(pickle), Throws.TypeOf<WeightFileException>());
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(150 << 20));
    }

    [Test]
    public void AViewThatRepeatsAFewElementsForeverIsRefused()
    {
        var storage = new TorchStorage(WeightDtype.FromName("float32")!, false, "0", 1);
        Assert.That(new StoredTensor(storage.Dtype, storage, 0, [4, 5], [0, 0]).FindProblem(), Is.Null);
        Assert.That(new StoredTensor(storage.Dtype, storage, 0, [1L << 40], [0]).FindProblem(), Does.Contain("bytes made of a storage of 4"));
    }

    internal static string ConformanceFile(string name, string file) => Path.Combine(ConformanceCase.Root, "S17-files", name, file);

    private static WeightNode Unpickle(byte[] pickle)
    {
        int position = 0;
        return RestrictedUnpickler.Read(pickle, ref position, "memory", "pickle", legacy: false, out _);
    }
}
