using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A checkpoint's deflated records unpack within a limit that depends on what they have in the file.</summary>
public class TorchZipSizesTests
{
    [Test]
    public void DeflatedRecordsThatUnpackToFarMoreAreRefusedBeforeAnyIsRead()
    {
        using var folder = new TemporaryFolder();
        string stored = folder.Path("stored.pt");
        using (Tensor first = zeros(5 << 20), second = zeros(5 << 20))
        {
            TorchZipWriter.Write(stored, new Dictionary<string, Tensor> { ["first"] = first, ["second"] = second });
        }

        using (IWeightSource file = WeightFile.OpenSingle(stored))
        {
            Assert.That(file.Entries, Has.Count.EqualTo(2), "as torch.save writes it");
        }

        string deflated = folder.Write("deflated.pt", SavedZip.Change(File.ReadAllBytes(stored), (_, content) => content));
        Assert.That(new FileInfo(deflated).Length, Is.LessThan(1 << 20));
        Assert.That(() => WeightFile.OpenSingle(deflated),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("made to fill memory").And.Message.Contains("without compression"));
    }

    [Test]
    public void DeflatedWeightsAreRead()
    {
        using var folder = new TemporaryFolder();
        string stored = folder.Path("stored.pt");
        using Tensor weight = arange(1000).to_type(ScalarType.Float32);
        TorchZipWriter.Write(stored, new Dictionary<string, Tensor> { ["weight"] = weight });
        using IWeightSource file = WeightFile.OpenSingle(folder.Write("deflated.pt", SavedZip.Change(File.ReadAllBytes(stored), (_, content) => content)));
        using Tensor read = file.Read("weight");
        Assert.That(read.equal(weight).all().item<bool>());
    }
}
