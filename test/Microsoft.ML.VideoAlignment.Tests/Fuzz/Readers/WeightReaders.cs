using System.IO.Compression;
using Microsoft.ML.VideoAlignment.Weights;
using static Microsoft.ML.VideoAlignment.Tests.FuzzSeeds;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Files of weights.</summary>
internal static class WeightReaders
{
    public static IEnumerable<FuzzReader> All()
    {
        byte[][] safetensors = [Case("S17-files", "st-dtypes", "weights.safetensors"), Case("S17-files", "st-names", "weights.safetensors")];
        yield return FuzzReader.OfFile("safetensors", "weights.safetensors", ReadWeights, safetensors)
            with
        { Words = ["dtype", "shape", "data_offsets", "__metadata__", "F8_E4M3", "BOOL", "BF16"] };
        byte[][] zips = [.. new[] { "torch-nested", "torch-protocol4", "torch-strides" }.Select(name => Case("S17-files", name, "weights.pt"))];
        yield return FuzzReader.OfFile("torch zip", "weights.pt", ReadWeights, zips);
        yield return FuzzReader.OfFile(
            "torch zip, deflated", "weights.pt", ReadWeights, [.. zips.Select(zip => SavedZip.Change(zip, (_, content) => content))]);

        // The CRC of a record catches damage; a forger would write a fitting one.
        yield return new FuzzReader("pickle in a torch zip", [Pickle(zips[0])], (folder, pickle) =>
        {
            byte[] forged = SavedZip.Change(zips[0], (name, content) => name == "data.pkl" ? pickle : content, CompressionLevel.NoCompression);
            ReadWeights(folder.Write("weights.pt", forged));
        }, typeof(WeightFileException))
        { Words = ["ctorch._utils\n_rebuild_tensor_v2\n", "ctorch\nFloatStorage\n", "(", "t", "R", "Q", "b", "."] };
        byte[][] legacy = [Case("S17-files", "torch-legacy", "weights.pth"), Case("S17-files", "torch-legacy-views", "weights.bin")];
        yield return FuzzReader.OfFile("legacy pickle", "weights.pth", ReadWeights, legacy);
        yield return new FuzzReader("unpickler", [.. zips.Select(Pickle)], (_, pickle) =>
        {
            int position = 0;
            RestrictedUnpickler.Read(pickle, ref position, "memory", "pickle", legacy: false, out IReadOnlyCollection<TorchStorage> _);
        }, typeof(WeightFileException));
        string shards = Path.Combine(ConformanceCase.Root, "S17-files", "shards-safetensors");
        yield return new FuzzReader("index of shards", [Case("S17-files", "shards-safetensors", "model.safetensors.index.json")], (folder, index) =>
        {
            foreach (string shard in Directory.EnumerateFiles(shards, "model-*").Where(shard => !File.Exists(folder.Path(Path.GetFileName(shard)))))
            {
                folder.Write(Path.GetFileName(shard), File.ReadAllBytes(shard));
            }

            ReadWeights(folder.Write("model.safetensors.index.json", index));
        }, typeof(WeightFileException))
        { Words = ["weight_map", "model-00001-of-00002.safetensors"] };
    }

    private static byte[] Pickle(byte[] zip)
    {
        byte[] pickle = [];
        SavedZip.Change(zip, (name, content) => name == "data.pkl" ? pickle = content : content);
        return pickle;
    }

    private static void ReadWeights(string path)
    {
        long most = (4 * new FileInfo(path).Length) + FuzzDriver.FreeBytes;
        using IWeightSource source = path.EndsWith(".json", StringComparison.Ordinal) ? WeightFile.Open(path) : WeightFile.OpenSingle(path);
        if (source is TorchFile { Root: var root } torch)
        {
            foreach (TensorNode node in Tensors(root))
            {
                using Tensor tensor = torch.Read(node);
                Assert.That(tensor.numel() * tensor.element_size(), Is.LessThanOrEqualTo(most));
            }

            return;
        }

        foreach (string name in source.Entries.Keys)
        {
            using Tensor tensor = source.Read(name);
            Assert.That(tensor.numel() * tensor.element_size(), Is.LessThanOrEqualTo(most));
        }
    }

    private static IEnumerable<TensorNode> Tensors(WeightNode root)
    {
        var seen = new HashSet<WeightNode>(ReferenceEqualityComparer.Instance);
        var left = new Stack<WeightNode>([root]);
        while (left.TryPop(out WeightNode? node))
        {
            if (seen.Add(node))
            {
                foreach (WeightNode child in node is ListNode list ? list.Items : node is DictNode dict ? dict.Items.Select(item => item.Value) : [])
                {
                    left.Push(child);
                }
            }
        }

        return seen.OfType<TensorNode>();
    }
}
