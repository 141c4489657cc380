using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

public class WeightWriterTests
{
    private static readonly ScalarType[] s_dtypes =
    [
        ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32, ScalarType.Int16, ScalarType.Int8,
        ScalarType.Byte, ScalarType.Bool,
    ];

    [Test]
    public void WhatIsWrittenIsReadBack([Values("a.safetensors", "a.pt")] string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        Dictionary<string, Tensor> tensors = Tensors();
        Write(folder.Path(name), tensors);
        using IWeightSource source = WeightFile.Open(folder.Path(name));
        Assert.That(source.Entries.Keys, Is.EquivalentTo(tensors.Keys));
        foreach ((string key, Tensor tensor) in tensors)
        {
            using Tensor read = source.Read(key);
            Assert.That(read.dtype, Is.EqualTo(tensor.dtype), key);
            Assert.That(read.shape, Is.EqualTo(tensor.shape), key);
            Assert.That(read.numel() == 0 || read.bytes.SequenceEqual(tensor.contiguous().bytes), Is.True, key);
        }

        Assert.That(Directory.GetFiles(folder.ToString()), Has.Length.EqualTo(1), "no temporary file is left");
    }

    [Test]
    public void EqualContentsGiveEqualFiles([Values("a.safetensors", "a.pt")] string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        Write(folder.Path(name), Tensors());
        byte[] first = File.ReadAllBytes(folder.Path(name));
        Write(folder.Path(name), Tensors());
        Assert.That(File.ReadAllBytes(folder.Path(name)), Is.EqualTo(first));
    }

    [Test]
    public void MetadataAndAlignment()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var metadata = new Dictionary<string, string> { ["format"] = "pt", ["näme \"x\""] = "✓\n" };
        SafetensorsWriter.Write(folder.Path("a.safetensors"), Tensors(), metadata);
        using var file = new SafetensorsFile(folder.Path("a.safetensors"));
        Assert.That(file.Metadata, Is.EquivalentTo(metadata));
        using var bytes = new FileBytes(folder.Path("a.safetensors"));
        SafetensorsHeader header = SafetensorsHeader.Read(bytes);
        Assert.That(header.DataStart % 8, Is.Zero);
        Assert.That(header.Entries.Values.Where(entry => entry.Begin % entry.Dtype.Size != 0), Is.Empty);
    }

    [Test]
    public void AListOfTensors()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        Tensor[] tensors = [arange(6, dtype: ScalarType.Float32).reshape(2, 3).t(), ones(0, 4)];
        TorchZipWriter.Write(folder.Path("lora.pt"), tensors);
        using var file = new TorchZipFile(folder.Path("lora.pt"));
        Assert.That(file.Root, Is.TypeOf<ListNode>());
        Assert.That(file.Entries.Keys, Is.EqualTo(new[] { "0", "1" }));
        Assert.That(file.Read("0").data<float>().ToArray(), Is.EqualTo(new float[] { 0, 3, 1, 4, 2, 5 }));
        Assert.That(file.Read("1").shape, Is.EqualTo(new long[] { 0, 4 }));
    }

    [Test]
    public void ADictOfDicts()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var dictionaries = new Dictionary<string, IReadOnlyDictionary<string, Tensor>>
        {
            ["encoder"] = new Dictionary<string, Tensor> { ["a.weight"] = arange(3, dtype: ScalarType.Float16), ["b"] = ones(2) },
            ["predictor"] = new Dictionary<string, Tensor> { ["a.weight"] = full([1, 2], 7f) },
        };
        TorchZipWriter.Write(folder.Path("both.pt"), dictionaries);
        using var file = new TorchZipFile(folder.Path("both.pt"));
        Assert.That(((DictNode)file.Root).Items.Select(item => ((StringNode)item.Key).Value), Is.EqualTo(dictionaries.Keys));
        file.Select("predictor");
        Assert.That(file.Entries.Keys, Is.EqualTo(new[] { "a.weight" }));
        Assert.That(file.Read("a.weight").data<float>().ToArray(), Is.EqualTo(new[] { 7f, 7 }));
        file.Select("encoder");
        Assert.That(file.Entries["a.weight"].Dtype, Is.EqualTo(ScalarType.Float16));
        Assert.That(file.Read("b").data<float>().ToArray(), Is.EqualTo(new[] { 1f, 1 }));
    }

    [Test]
    public void AFailedWriteLeavesTheOldFile()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string path = folder.Write("a.safetensors", "old"u8);
        var tensors = new Dictionary<string, Tensor> { ["a"] = ones(2), ["z"] = zeros(2, dtype: ScalarType.ComplexFloat32) };
        Assert.That(() => SafetensorsWriter.Write(path, tensors), Throws.ArgumentException.With.Message.Contain("'z'"));
        Assert.That(() => TorchZipWriter.Write(path, tensors), Throws.ArgumentException);
        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(folder.ToString()), Has.Length.EqualTo(1));
    }

    [Test]
    public void TheHashIsOfTheContentNotOfTheFile()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        Dictionary<string, Tensor> tensors = Tensors();
        string first = Hash("a.safetensors", tensors);
        Assert.That(first, Does.Match("^[0-9a-f]{64}$"));
        Assert.That(Hash("a.pt", tensors.Reverse().ToDictionary()), Is.EqualTo(first), "format and order do not matter");
        tensors["strided"] = tensors["strided"] + 1;
        Assert.That(Hash("b.pt", tensors), Is.Not.EqualTo(first), "values do");
        tensors["strided"] = (tensors["strided"] - 1).reshape(2, 3);
        Assert.That(Hash("c.pt", tensors), Is.Not.EqualTo(first), "shapes do");

        string Hash(string name, Dictionary<string, Tensor> content)
        {
            Write(folder.Path(name), content);
            using IWeightSource source = WeightFile.Open(folder.Path(name));
            return WeightHash.Compute(source);
        }
    }

    [Test]
    public void TheHashOfPartsKnowsWhichPartIsWhich()
    {
        using var a = new MemoryWeights(("x", ones(1)));
        using var b = new MemoryWeights(("x", zeros(1)));
        string Hash(IWeightSource unet, IWeightSource vae) => WeightHash.Compute([new("unet", unet), new("vae", vae)]);
        Assert.That(Hash(a, b), Is.Not.EqualTo(Hash(b, a)));
        Assert.That(Hash(a, b), Is.EqualTo(WeightHash.Compute([new("vae", b), new("unet", a)])));
    }

    private static void Write(string path, Dictionary<string, Tensor> tensors)
    {
        if (path.EndsWith(".pt", StringComparison.Ordinal))
        {
            TorchZipWriter.Write(path, tensors);
        }
        else
        {
            SafetensorsWriter.Write(path, tensors);
        }
    }

    private static Dictionary<string, Tensor> Tensors()
    {
        var tensors = new Dictionary<string, Tensor>
        {
            ["strided"] = arange(6, dtype: ScalarType.Float32).reshape(2, 3).t(),
            ["scalar"] = tensor(3.5),
            ["none"] = zeros(0, 3),
            [""] = ones(3),
            ["naïve/✓ \"quoted\""] = ones(1),
        };
        foreach (ScalarType dtype in s_dtypes)
        {
            tensors[$"of {dtype}"] = arange(5).to_type(dtype);
        }

        return tensors;
    }
}
