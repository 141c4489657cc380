using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.Tests;

public class LoraMixTests
{
    /// <summary>Ranks, scales and layers differ; a kernel of 3 x 3 and one in time are among them.</summary>
    [Test]
    public void AMixIsTheSumOfItsPartsDeltas()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        using LoraWeights first = Trained(LoraTargets.AllLayers, rank: 2, alpha: 3, seed: 1);
        using LoraWeights second = Trained(LoraTargets.ByName("to_q", "conv"), rank: 3, alpha: 5, seed: 2);
        Dictionary<string, Tensor> expected = Deltas(first, 0.25);
        foreach ((string module, Tensor delta) in Deltas(second, -2))
        {
            expected[module] += delta;
        }

        using LoraWeights mixed = LoraMix.Combine([(first, 0.25), (second, -2)]);
        Dictionary<string, Tensor> deltas = Deltas(mixed, 1);
        Assert.That(deltas.Keys, Is.EquivalentTo(expected.Keys));
        Assert.That(deltas.Keys, Has.All.Matches<string>(module => deltas[module!].allclose(expected[module!], rtol: 1e-5, atol: 1e-6)));

        LoraWeights Trained(LoraTargets targets, int rank, double alpha, ulong seed)
        {
            using LoraAdapters adapters = LoraAdaptersTests.Train(LoraAdapters.Attach(network, targets, rank, alpha, new Generator(seed)));
            return adapters.ToWeights();
        }

        Dictionary<string, Tensor> Deltas(LoraWeights weights, double strength)
        {
            using LoraAdapters adapters = LoraAdapters.Attach(network, weights);
            return adapters.Layers.ToDictionary(layer => layer.Name, layer => layer.Adapter.Delta(layer.Layer.Weight).detach() * strength);
        }
    }

    public static IEnumerable<TestCaseData> Files() =>
        from testCase in ConformanceCase.All()
        where testCase.Suite == "S14-lora" && testCase.Kind != "refuse"
        from file in testCase.Arguments.TryGetProperty("files", out System.Text.Json.JsonElement files)
            ? files.EnumerateArray().ToArray()
            : [testCase.Arguments]
        select new TestCaseData(testCase.PathOf(file.GetProperty("file").GetString()!), file.GetProperty("format").GetString())
            .SetName($"FormatOf({testCase}, {file.GetProperty("file").GetString()})");

    [TestCaseSource(nameof(Files))]
    public void TheFormatIsRecognized(string path, string format)
    {
        string found = LoraFormatDetector.Detect(path).ToString();
        Assert.That(found.StartsWith("Diffusers", StringComparison.Ordinal) ? "diffusers" : found.ToLowerInvariant(), Is.EqualTo(format));
    }

    [Test]
    public void AFileOfAnotherKindIsRefusedWithWhatWasLookedFor()
    {
        string vae = Path.Combine(TinyModel.Folder, "vae");
        string file = Directory.EnumerateFiles(vae).First(path => !path.EndsWith(".json", StringComparison.Ordinal));
        Assert.That(() => LoraFormatDetector.Detect(file),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("kohya").And.Message.Contains("It holds"));
    }
}
