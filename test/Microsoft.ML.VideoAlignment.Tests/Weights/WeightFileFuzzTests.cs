using System.IO.Compression;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Damaged files: whatever bytes change, reading ends soon, with a result or with the one documented exception.</summary>
public class WeightFileFuzzTests
{
    private const int Mutants = 200;

    /// <summary>Managed allocations of reading one file of a few kilobytes, garbage included.</summary>
    private const long MostBytes = 64 << 20;

    [TestCase("st-dtypes", "weights.safetensors")]
    [TestCase("st-names", "weights.safetensors")]
    [TestCase("torch-legacy-views", "weights.bin")]
    [TestCase("torch-legacy", "weights.pth")]
    [TestCase("torch-nested", "weights.pt")]
    public void MutatedFiles(string name, string file)
    {
        byte[] good = File.ReadAllBytes(WeightFileTests.ConformanceFile(name, file));
        using var folder = new TemporaryFolder();
        var random = new Random(1);
        for (int i = 0; i < Mutants; i++)
        {
            ReadAll(folder.Write(file, Mutate(good, random)));
        }
    }

    /// <summary>The CRC of a zip catches damage; a forger would write a fitting one.</summary>
    [TestCase("torch-nested")]
    [TestCase("torch-protocol4")]
    [TestCase("torch-strides")]
    public void MutatedPicklesInSoundArchives(string name)
    {
        byte[] good = File.ReadAllBytes(WeightFileTests.ConformanceFile(name, "weights.pt"));
        using var folder = new TemporaryFolder();
        var random = new Random(2);
        int read = 0;
        for (int i = 0; i < Mutants; i++)
        {
            read += ReadAll(folder.Write("weights.pt", WithPickle(good, pickle => Mutate(pickle, random)))) ? 1 : 0;
        }

        Assert.That(ReadAll(folder.Write("weights.pt", WithPickle(good, pickle => pickle))), Is.True, "the archive as it was made here is sound");
        TestContext.Out.WriteLine($"{read} of {Mutants} mutants could be read");
    }

    private static byte[] WithPickle(byte[] archive, Func<byte[], byte[]> change)
    {
        var result = new MemoryStream();
        using (var from = new ZipArchive(new MemoryStream(archive), ZipArchiveMode.Read))
        using (var to = new ZipArchive(result, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (ZipArchiveEntry entry in from.Entries)
            {
                using var bytes = new MemoryStream();
                using Stream content = entry.Open();
                content.CopyTo(bytes);
                using Stream copy = to.CreateEntry(entry.FullName, CompressionLevel.NoCompression).Open();
                copy.Write(entry.Name == "data.pkl" ? change(bytes.ToArray()) : bytes.ToArray());
            }
        }

        return result.ToArray();
    }

    private static byte[] Mutate(byte[] good, Random random)
    {
        List<byte> bytes = [.. good];
        for (int change = random.Next(1, 5); change > 0; change--)
        {
            int place = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[place] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[place] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.Insert(place, (byte)random.Next(256));
                    break;
                case 3:
                    bytes.RemoveRange(place, Math.Min(random.Next(1, 9), bytes.Count - place));
                    break;
                default:
                    bytes.InsertRange(place, bytes.GetRange(place, Math.Min(random.Next(1, 30), bytes.Count - place)));
                    break;
            }

            if (bytes.Count == 0)
            {
                break;
            }
        }

        return [.. bytes];
    }

    private static bool ReadAll(string path)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            using IWeightSource source = WeightFile.OpenSingle(path);
            if (source is TorchFile torch)
            {
                ReadTree(torch);
                return true;
            }

            foreach (string name in source.Entries.Keys)
            {
                using Tensor tensor = source.Read(name);
                Assert.That(tensor.shape, Is.EqualTo(source.Entries[name].Shape));
            }

            return true;
        }
        catch (WeightFileException)
        {
            return false;
        }
        finally
        {
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(MostBytes));
        }
    }

    private static void ReadTree(TorchFile file)
    {
        var seen = new HashSet<WeightNode>(ReferenceEqualityComparer.Instance);
        var left = new Stack<WeightNode>([file.Root]);
        while (left.TryPop(out WeightNode? node))
        {
            if (!seen.Add(node))
            {
                continue;
            }

            if (node is TensorNode tensor)
            {
                using Tensor value = file.Read(tensor);
                Assert.That(value.shape, Is.EqualTo(tensor.Tensor.Shape));
            }

            foreach (WeightNode child in node is ListNode list ? list.Items : node is DictNode dict ? dict.Items.Select(item => item.Value) : [])
            {
                left.Push(child);
            }
        }
    }
}
