using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

public class LoraFileTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => Directory.CreateDirectory(_folder = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"lora-{Guid.NewGuid():N}"));

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void APeftFolderIsNotWrittenOverAFile()
    {
        using var network = new TinyNetwork();
        using var generator = new Generator(1);
        using LoraAdapters adapters = LoraAdapters.Attach(network, LoraTargets.AllLayers, 2, 2, generator);
        string file = Path.Combine(_folder, "adapter.safetensors");
        File.WriteAllText(file, "mine");
        Assert.That(
            () => LoraFile.Save(adapters, file, LoraFormat.Peft),
            Throws.TypeOf<IOException>().With.Message.Contains("it is a file").And.Message.Contains("is a folder with adapter_config.json"));
        Assert.That(File.ReadAllText(file), Is.EqualTo("mine"));
    }

    /// <summary>Ranks differ by clipping (peft's r is the commonest, patterns say the rest) and the scale is 6/3 everywhere.</summary>
    [TestCase(nameof(LoraFormat.Peft))]
    [TestCase(nameof(LoraFormat.Diffusers))]
    [TestCase(nameof(LoraFormat.DiffusersDown))]
    [TestCase(nameof(LoraFormat.Kohya))]
    public void ATrainedAdapterComesBackBitForBit(string name)
    {
        LoraFormat format = Enum.Parse<LoraFormat>(name);
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        float[] trained;
        using (LoraAdapters adapters = LoraAdaptersTests.Train(LoraAdapters.Attach(network, LoraTargets.AllLayers, 6, 12, new Generator(3))))
        {
            trained = network.Run();
            LoraFile.Save(adapters, Path.Combine(_folder, "adapter"), format);
        }

        using LoraAdapters again = LoraFile.Load(network, Path.Combine(_folder, "adapter"), format);
        Assert.That(again.Layers.Select(layer => layer.Adapter.Scale), Is.All.EqualTo(2).Within(1e-15));
        Assert.That(again.Layers.Select(layer => layer.Adapter.Rank), Is.EquivalentTo(new[] { 6, 4, 4, 4 }));
        Assert.That(network.Run(), Is.EqualTo(trained));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder, "*", SearchOption.AllDirectories).Select(Path.GetExtension), Is.All.Not.EqualTo(".partial"));
    }

    [Test]
    public void VadersFilesNeedTheAlphaThatTheyDoNotHold()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        string path = Path.Combine(_folder, "peft_model_1.pt");
        using (LoraAdapters adapters = LoraAdaptersTests.Train(LoraAdaptersTests.Attach(network, LoraTargets.ByName("to_q"))))
        {
            Assert.That(() => LoraFile.Save(adapters, path, LoraFormat.Vader), Throws.TypeOf<NotSupportedException>().With.Message.Contains("alpha"));
            LoraFile.Save(adapters, path, LoraFormat.Vader, new LoraFileOptions { Alpha = 6 });
        }

        using LoraAdapters again = LoraFile.Load(network, path, LoraFormat.Vader, new LoraFileOptions { Alpha = 6 });
        Assert.That(again.Layers.Single().Adapter.Scale, Is.EqualTo(2));
        Assert.That(again.Origin!.Prefix, Is.EqualTo("base_model.model."));
    }

    [Test]
    public void TheConfigSaysWhatPeftNeeds()
    {
        using var network = new TinyNetwork();
        using LoraAdapters adapters = LoraAdaptersTests.Attach(network, LoraTargets.ByName("to_q", "to_out.0"));
        LoraFile.Save(adapters, _folder, LoraFormat.Peft);
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder, "adapter_config.json")))!;
        Assert.That(config["r"]!.ToJsonString(), Is.EqualTo("3"));
        Assert.That(config["lora_alpha"]!.ToJsonString(), Is.EqualTo("6"));
        Assert.That(config["target_modules"]!.ToJsonString(), Is.EqualTo("""["to_out.0","to_q"]"""));
        Assert.That(config["peft_type"]!.ToString(), Is.EqualTo("LORA"));
    }

    [Test]
    public void AnAdapterOfAnotherBaseIsRefusedWithItsOffenders()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        float[] before = network.Run();
        Dictionary<string, Tensor> file = new(StringComparer.Ordinal)
        {
            ["unet.attn.to_q.lora_A.weight"] = zeros(2, 6),
            ["unet.attn.to_q.lora_B.weight"] = zeros(6, 2),
            ["unet.conv.lora_A.weight"] = zeros([2L, 5, 3, 3]),
            ["unet.conv.lora_B.weight"] = zeros([8L, 2, 1, 1]),
            ["unet.other.to_q.lora_A.weight"] = zeros(2, 6),
            ["unet.other.to_q.lora_B.weight"] = zeros(6, 2),
        };
        string path = Write(file);
        Assert.That(() => LoraFile.Load(network, path, LoraFormat.Diffusers), Throws.TypeOf<WeightFileException>()
            .With.Message.Contains("conv: down [2, 5, 3, 3]").And.Message.Contains("other.to_q: the network has no such layer")
            .And.Message.Contains("TinyNetwork"));
        Assert.That(AdaptableLayer.FindAll(network).Select(layer => layer.Layer.Slot.Adapter), Is.All.Null);
        Assert.That(network.Run(), Is.EqualTo(before));
    }

    [TestCase("unet.attn.to_q.lora_magnitude_vector", "DoRA")]
    [TestCase("unet.attn.to_q.hada_w1_a", "LoHa")]
    [TestCase("unet.attn.to_q.lokr_w1", "LoKr")]
    [TestCase("unet.attn.to_q.lora_B.bias", "bias")]
    [TestCase("unet.attn.to_q.something", "not a key of this format")]
    [TestCase("unet.attn.to_out.0.lora_A.weight", "half a pair")]
    public void WhatIsNoPlainLoraIsRefusedByName(string key, string mentions)
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        string path = Write(new(StringComparer.Ordinal)
        {
            ["unet.attn.to_q.lora_A.weight"] = zeros(2, 6),
            ["unet.attn.to_q.lora_B.weight"] = zeros(6, 2),
            [key] = zeros(2, 6),
        });
        Assert.That(
            () => LoraFile.Load(network, path, LoraFormat.Diffusers),
            Throws.TypeOf<WeightFileException>().With.Message.Contains(mentions).And.Message.Contains(key));
    }

    [TestCase(""" "use_dora": true """, "use_dora")]
    [TestCase(""" "peft_type": "IA3" """, "IA3")]
    [TestCase(""" "bias": "all" """, "bias")]
    [TestCase(""" "init_lora_weights": "pissa_niter_4" """, "pissa")]
    [TestCase(""" "modules_to_save": ["conv_out"] """, "modules_to_save")]
    [TestCase(""" "r": -1 """, "above 0")]
    [TestCase(""" "rank_pattern": { "(": 3 } """, "regular expression")]
    public void SettingsThatChangeTheForwardPassAreRefused(string body, string mentions) =>
        Assert.That(
            () => LoraSettings.FromJson(JsonNode.Parse($"{{ {body} }}")!.AsObject(), "here"),
            Throws.TypeOf<WeightFileException>().With.Message.Contains(mentions));

    /// <summary>peft matches a key as ^(.*\.)?(KEY)$ and takes the first that does; rslora divides by the root of the rank.</summary>
    [TestCase("down.to_k", 5, 6.0 / 5)]
    [TestCase("up.to_k", 3, 1.0 / 3)]
    [TestCase("up.into_k", 3, 6.0 / 3)]
    public void PatternsAreMatchedAsPeftDoes(string module, long rank, double scale)
    {
        JsonObject json = JsonNode.Parse(
            """
            {
              "r": 3, "lora_alpha": 6, "rank_pattern": { "down\\..*to_k": 5, "to_k": 3 }, "alpha_pattern": { "^up.*\\.to_k": 1, "up.to_k": 9 }
            }
            """)!.AsObject();
        Assert.That(LoraSettings.FromJson(json, "here").GetScale(module, rank), Is.EqualTo(scale).Within(1e-15));
        Assert.That(
            () => LoraSettings.FromJson(json, "here").GetScale(module, rank + 1), Throws.TypeOf<WeightFileException>().With.Message.Contains($"rank {rank}"));
        json["use_rslora"] = true;
        Assert.That(LoraSettings.FromJson(json, "here").GetScale(module, rank), Is.EqualTo(scale * Math.Sqrt(rank)).Within(1e-12));
    }

    private string Write(Dictionary<string, Tensor> tensors)
    {
        string path = Path.Combine(_folder, "adapter.safetensors");
        SafetensorsWriter.Write(path, tensors);
        return path;
    }
}
