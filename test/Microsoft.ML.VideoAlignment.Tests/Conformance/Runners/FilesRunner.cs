using System.Globalization;
using System.Numerics;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S17: weight files, good and hostile.</summary>
internal sealed class FilesRunner : IConformanceRunner
{
    /// <summary>"No more than some tens of MB": managed allocations of one case, garbage included.</summary>
    private const long AllowedBytes = 64 << 20;

    public string Suite => "S17-files";

    public IReadOnlyCollection<string> Kinds { get; } = ["read", "hostile"];

    public void Run(ConformanceCase testCase)
    {
        string path = testCase.PathOf(testCase.Arguments.GetProperty("file").GetString()!);
        string expect = testCase.Arguments.GetProperty("expect").GetString()!;
        bool hasTree = testCase.Arguments.TryGetProperty("tree", out JsonElement tree);
        long before = GC.GetAllocatedBytesForCurrentThread();
        if (expect == "refuse")
        {
            WeightFileException? refusal = Assert.Throws<WeightFileException>(() => Open(testCase, path).Dispose(), $"{testCase}: must be refused");
            Assert.That(refusal!.Message, Does.Contain(Path.GetFileName(testCase.Folder)), $"{testCase}: the error names the file");
            TestContext.Out.WriteLine(refusal.Problem);
        }
        else
        {
            try
            {
                using IWeightSource source = Open(testCase, path);
                if (hasTree)
                {
                    Compare(testCase, tree, source);
                }
            }
            catch (WeightFileException refusal) when (expect == "survive")
            {
                TestContext.Out.WriteLine(refusal.Problem);
            }
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(AllowedBytes), $"{testCase}: memory");
        Assert.That(File.Exists("PWNED") || File.Exists(testCase.PathOf("PWNED")), Is.False, $"{testCase}: something was executed");
    }

    private static IWeightSource Open(ConformanceCase testCase, string path) => testCase.Arguments.GetProperty("format").GetString() switch
    {
        // Nested containers are read as a tree, so no entry is chosen.
        "torch" => WeightFile.OpenTree(path),
        _ => WeightFile.Open(path),
    };

    private static void Compare(ConformanceCase testCase, JsonElement tree, IWeightSource source)
    {
        if (source is TorchFile torch)
        {
            CompareNode(testCase, torch, tree, torch.Root, "");
            return;
        }

        JsonElement[] items = [.. tree.GetProperty("items").EnumerateArray()];
        Assert.That(source.Entries.Keys, Is.EquivalentTo(items.Select(item => item[0].GetProperty("value").GetString())), $"{testCase}: names");
        foreach (JsonElement item in items)
        {
            string name = item[0].GetProperty("value").GetString()!;
            using Tensor value = source.Read(name);
            Assert.That(source.Entries[name], Is.EqualTo(new WeightInfo(value.dtype, source.Entries[name].Shape)), $"{testCase}: {name}");
            Assert.That(source.Entries[name].Shape, Is.EqualTo(value.shape), $"{testCase}: {name}");
            CompareTensor(testCase, item[1], value);
        }

        if (testCase.Arguments.TryGetProperty("metadata", out JsonElement metadata))
        {
            Assert.That(((SafetensorsFile)source).Metadata,
                Is.EquivalentTo(metadata.EnumerateObject().ToDictionary(pair => pair.Name, pair => pair.Value.GetString()!)), $"{testCase}: metadata");
        }
    }

    private static void CompareNode(ConformanceCase testCase, TorchFile file, JsonElement expected, WeightNode actual, string place)
    {
        string message = $"{testCase}: {(place.Length == 0 ? "root" : place)}";
        string Value() => expected.GetProperty("value").GetString()!;
        switch (expected.GetProperty("type").GetString())
        {
            case "dict":
                CompareDict(testCase, file, [.. expected.GetProperty("items").EnumerateArray()], actual, place, message);
                break;
            case "list":
                CompareList(testCase, file, [.. expected.GetProperty("items").EnumerateArray()], actual, place, message);
                break;
            case "int":
                Assert.That((actual as IntNode)?.Value, Is.EqualTo(BigInteger.Parse(Value(), CultureInfo.InvariantCulture)), message);
                break;
            case "float":
                double number = Value() switch
                {
                    "inf" => double.PositiveInfinity,
                    "-inf" => double.NegativeInfinity,
                    "nan" => double.NaN,
                    var text => double.Parse(text, CultureInfo.InvariantCulture),
                };
                Assert.That((actual as FloatNode)?.Value, Is.EqualTo(number), message);
                break;
            case "bool":
                Assert.That((actual as BoolNode)?.Value, Is.EqualTo(expected.GetProperty("value").GetBoolean()), message);
                break;
            case "str":
                Assert.That((actual as StringNode)?.Value, Is.EqualTo(Value()), message);
                break;
            case "none":
                Assert.That(actual, Is.TypeOf<NoneNode>(), message);
                break;
            case "dtype":
                Assert.That((actual as DtypeNode)?.Name, Is.EqualTo(Value()), message);
                break;
            case "tensor":
                Assert.That(actual, Is.TypeOf<TensorNode>(), message);
                Assert.That(((TensorNode)actual).Tensor.Dtype.Name, Is.EqualTo(expected.GetProperty("dtype").GetString()), message);
                using (Tensor value = file.Read((TensorNode)actual))
                {
                    CompareTensor(testCase, expected, value);
                }

                break;
            case var type:
                Assert.Fail($"{message}: unknown type {type}");
                break;
        }
    }

    private static void CompareDict(ConformanceCase testCase, TorchFile file, JsonElement[] pairs, WeightNode actual, string place, string message)
    {
        Assert.That(actual, Is.TypeOf<DictNode>(), message);
        IReadOnlyList<KeyValuePair<WeightNode, WeightNode>> found = ((DictNode)actual).Items;
        Assert.That(found, Has.Count.EqualTo(pairs.Length), message);
        for (int i = 0; i < pairs.Length; i++)
        {
            CompareNode(testCase, file, pairs[i][0], found[i].Key, $"{place}/key {i}");
            CompareNode(testCase, file, pairs[i][1], found[i].Value, $"{place}/{pairs[i][0]}");
        }
    }

    private static void CompareList(ConformanceCase testCase, TorchFile file, JsonElement[] items, WeightNode actual, string place, string message)
    {
        Assert.That(actual, Is.TypeOf<ListNode>(), message);
        Assert.That(((ListNode)actual).Items, Has.Count.EqualTo(items.Length), message);
        for (int i = 0; i < items.Length; i++)
        {
            CompareNode(testCase, file, items[i], ((ListNode)actual).Items[i], $"{place}/{i}");
        }
    }

    private static void CompareTensor(ConformanceCase testCase, JsonElement expected, Tensor actual)
    {
        string name = expected.GetProperty("name").GetString()!;
        Tensor reference = testCase[$"out.{name}"];
        WeightDtype dtype = WeightDtype.FromName(expected.GetProperty("dtype").GetString()!)!;
        Assert.That(actual.shape, Is.EqualTo(expected.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())), $"{testCase}: shape of {name}");
        Assert.That(actual.dtype, Is.EqualTo(dtype.Delivered), $"{testCase}: dtype of {name}");
        Assert.That(actual.is_contiguous(), Is.True, $"{testCase}: {name}");
        Assert.That(actual.numel() == 0 || actual.bytes.SequenceEqual(reference.contiguous().bytes), Is.True, $"{testCase}: bits of {name}");
    }
}
