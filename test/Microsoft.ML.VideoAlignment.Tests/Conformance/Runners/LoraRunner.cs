using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S14: adapter files, in and out.</summary>
public sealed class LoraRunner : IConformanceRunner
{
    public string Suite => "S14-lora";

    public IReadOnlyCollection<string> Kinds => ["peft-folder", "diffusers-lora", "vader-pt", "cloneofsimo-pt", "kohya-lora", "lora-formats", "refuse"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        using ModelScopeUNet network = Network(testCase);
        switch (testCase.Kind)
        {
            case "refuse":
                Refuse(testCase, network);
                break;
            case "lora-formats":
                AllFormats(testCase, network);
                break;
            default:
                OneFile(testCase, network);
                break;
        }
    }

    private static void OneFile(ConformanceCase c, ModelScopeUNet network)
    {
        var file = new AdapterFile(c, c.Arguments);
        using LoraAdapters adapters = file.Load(network);
        CheckOutputs(c, network, adapters);
        Assert.That(adapters.Origin!.NotApplied, Has.Count.EqualTo(c.Arguments.TryGetProperty("other_keys", out JsonElement others) ? others.GetInt32() : 0),
            "keys of other networks");
        file.SaveAndCompare(adapters, sameFormat: true);
    }

    private static void AllFormats(ConformanceCase c, ModelScopeUNet network)
    {
        AdapterFile[] files = [.. c.Arguments.GetProperty("files").EnumerateArray().Select(entry => new AdapterFile(c, entry))];
        foreach (AdapterFile from in files)
        {
            using LoraAdapters adapters = from.Load(network);
            CheckOutputs(c, network, adapters);
            foreach (AdapterFile to in files)
            {
                to.SaveAndCompare(adapters, sameFormat: ReferenceEquals(from, to));
            }
        }
    }

    private static void Refuse(ConformanceCase c, ModelScopeUNet network)
    {
        WeightFileException? refusal = Assert.Throws<WeightFileException>(() => new AdapterFile(c, c.Arguments).Load(network), $"{c}");
        TestContext.Out.WriteLine(refusal!.Message);
        Assert.That(AdaptableLayer.FindAll(network).Select(layer => layer.Layer.Slot.Adapter), Is.All.Null, $"{c}: the network is as it was");
    }

    private static void CheckOutputs(ConformanceCase c, ModelScopeUNet network, LoraAdapters adapters)
    {
        using IDisposable guard = no_grad();
        Tensor Forward() => network.Forward(c["in.sample"], c["in.timestep"], c["in.encoder_hidden_states"]);
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["sample"] = Forward() };
        adapters.Merge();
        c.CheckOutput("sample", Forward());
        foreach (string name in c.Names("out.merged.").Select(name => name["out.".Length..]))
        {
            AdaptedLayer layer = adapters.Layers.Single(layer => $"merged.{layer.Name}.weight" == name);
            outputs[name] = layer.Layer.Slot.EffectiveWeight(layer.Layer.Frozen, ScalarType.Float32);
        }

        adapters.Enabled = false;
        outputs["base_sample"] = Forward();
        adapters.Enabled = true;
        c.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor>(StringComparer.Ordinal));
        Assert.That(adapters.Layers, Has.Count.EqualTo(c.Arguments.GetProperty("layers").GetInt32()), $"{c}: adapted layers");
    }

    private static ModelScopeUNet Network(ConformanceCase c)
    {
        JsonElement weights = c.Json.GetProperty("weights")[0];
        string folder = c.PathOf(weights.GetProperty("file").GetString()!);
        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        var network = new ModelScopeUNet(ModelScopeUNetConfig.FromJson(config.RootElement), CaseDevice.Placement);
        string file = Path.Combine(folder, "diffusion_pytorch_model.safetensors");
        using IWeightSource source = WeightFile.Open(File.Exists(file) ? file : Path.ChangeExtension(file, ".bin"));
        WeightLoader.Load(network, source, weights.GetProperty("prefix").GetString()!);
        return network;
    }

    /// <summary>An adapter file of a case and what the case says of it.</summary>
    private sealed class AdapterFile(ConformanceCase c, JsonElement arguments)
    {
        private readonly LoraFormat _format = Enum.Parse<LoraFormat>(arguments.GetProperty("format").GetString()!, ignoreCase: true);
        private readonly string _path = c.PathOf(arguments.GetProperty("file").GetString()!);

        private readonly LoraFileOptions _options = new()
        {
            Prefix = arguments.TryGetProperty("prefix", out JsonElement prefix) ? prefix.GetString() : null,
            Alpha = arguments.TryGetProperty("lora_alpha", out JsonElement alpha) ? alpha.GetDouble() : LoraAdapters.DefaultAlpha,
            TargetClasses = arguments.TryGetProperty("target_classes", out JsonElement classes)
                ? [.. classes.EnumerateArray().Select(name => name.GetString()!)] : ["UNet3DConditionModel"],
        };

        public LoraAdapters Load(ModelScopeUNet network) => LoraFile.Load(network, _path, _format, _options);

        /// <summary>Saving gives the file's keys and tensors bit for bit; in the format that was loaded also its settings.</summary>
        public void SaveAndCompare(LoraAdapters adapters, bool sameFormat)
        {
            using var folder = new TemporaryFolder();
            string saved = folder.Path(Path.GetFileName(_path));
            LoraFile.Save(adapters, saved, _format, _options);
            using IWeightSource expected = WeightFile.Open(TensorsOf(_path));
            using IWeightSource actual = WeightFile.Open(TensorsOf(saved));
            Assert.That(actual.Entries.Keys.Order(StringComparer.Ordinal), Is.EqualTo(expected.Entries.Keys.Order(StringComparer.Ordinal)),
                $"{c}: keys of {_format}");
            foreach (string key in expected.Entries.Keys)
            {
                using DisposeScope scope = NewDisposeScope();
                (Tensor a, Tensor b) = (actual.Read(key), expected.Read(key));
                Assert.That((a.dtype, Shapes.Describe(a)), Is.EqualTo((b.dtype, Shapes.Describe(b))), $"{c}: {key} of {_format}");
                Assert.That(a.bytes.SequenceEqual(b.bytes), $"{c}: {key} of {_format}");
            }

            CheckScales(adapters, saved);
            if (sameFormat)
            {
                CheckSettings(expected, actual, saved);
            }
        }

        /// <summary>Read again, the saved file has every module's scale.</summary>
        private void CheckScales(LoraAdapters adapters, string saved)
        {
            using LoraWeights again = LoraFile.Read(adapters.Network, saved, _format, _options);
            Assert.That(again.Pairs.ToDictionary(pair => pair.Module, pair => (float)pair.Scale),
                Is.EquivalentTo(adapters.Layers.ToDictionary(layer => layer.Name, layer => (float)layer.Adapter.Scale)), $"{c}: scales of {_format}");
        }

        private void CheckSettings(IWeightSource expected, IWeightSource actual, string saved)
        {
            if (_format == LoraFormat.Peft)
            {
                Same(File.ReadAllText(Path.Combine(_path, "adapter_config.json")), File.ReadAllText(Path.Combine(saved, "adapter_config.json")));
            }
            else if (expected is SafetensorsFile a && actual is SafetensorsFile b)
            {
                Assert.That(b.Metadata.Keys, Is.EquivalentTo(a.Metadata.Keys));
                foreach ((string key, string value) in a.Metadata)
                {
                    if (value.StartsWith('{'))
                    {
                        Same(value, b.Metadata[key]);
                    }
                    else
                    {
                        Assert.That(b.Metadata[key], Is.EqualTo(value), key);
                    }
                }
            }

            void Same(string left, string right) =>
                Assert.That(JsonNode.DeepEquals(JsonNode.Parse(left), JsonNode.Parse(right)), $"{c}: settings {left} and {right}");
        }

        private static string TensorsOf(string path) =>
            !Directory.Exists(path) ? path
                : new[] { "adapter_model.safetensors", "adapter_model.bin" }.Select(name => Path.Combine(path, name)).First(File.Exists);
    }
}
