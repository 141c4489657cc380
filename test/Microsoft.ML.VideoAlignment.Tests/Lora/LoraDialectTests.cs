using System.Text;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Adapter files as other tools name their keys and lay out their folders.</summary>
public class LoraDialectTests
{
    private const string TextKey = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight";

    private TemporaryFolder _folder = null!;
    private TinyNetwork _network = null!;

    [SetUp]
    public void Open() => (_folder, _network) = (new TemporaryFolder(), new TinyNetwork());

    [TearDown]
    public void Close()
    {
        _network.Dispose();
        _folder.Dispose();
    }

    /// <summary>Every prefix and spelling of one adapter of attn.to_q, rank 2: the scale is what the dialect gives it.</summary>
    [TestCase("base_model.model.attn.to_q.lora_A.default.weight", "base_model.model.attn.to_q.lora_B.default.weight", LoraFormat.Vader, 4)]
    [TestCase(
        "base_model.model.model.diffusion_model.attn.to_q.lora_A.style.weight", "base_model.model.model.diffusion_model.attn.to_q.lora_B.style.weight",
        LoraFormat.Vader, 4)]
    [TestCase("base_model.model.unet.attn.to_q.lora_A.weight", "base_model.model.unet.attn.to_q.lora_B.weight", LoraFormat.Vader, 4)]
    [TestCase("unet.attn.to_q.lora_A.default.weight", "unet.attn.to_q.lora_B.default.weight", LoraFormat.Diffusers, 1)]
    [TestCase("transformer.attn.to_q.lora_A.weight", "transformer.attn.to_q.lora_B.weight", LoraFormat.Diffusers, 1)]
    [TestCase("diffusion_model.attn.to_q.lora_A.weight", "diffusion_model.attn.to_q.lora_B.weight", LoraFormat.Diffusers, 1)]
    [TestCase("diffusion_model.attn.to_q.lora_down.weight", "diffusion_model.attn.to_q.lora_up.weight", LoraFormat.Diffusers, 1)]
    [TestCase("unet.attn.to_q.lora.down.weight", "unet.attn.to_q.lora.up.weight", LoraFormat.DiffusersDown, 1)]
    [TestCase("unet._orig_mod.attn.to_q.lora_A.weight", "unet._orig_mod.attn.to_q.lora_B.weight", LoraFormat.Diffusers, 1)]
    [TestCase("attn.processor.to_q_lora.down.weight", "attn.processor.to_q_lora.up.weight", LoraFormat.DiffusersProcessor, 1)]
    [TestCase("lora_unet_attn_to_q.lora_down.weight", "lora_unet_attn_to_q.lora_up.weight", LoraFormat.Kohya, 1)]
    [TestCase("LORA_UNET_attn_to_q.lora_down.weight", "LORA_UNET_attn_to_q.lora_up.weight", LoraFormat.Kohya, 1)]
    [TestCase("lora_prior_unet_attn_to_q.lora_down.weight", "lora_prior_unet_attn_to_q.lora_up.weight", LoraFormat.Kohya, 1)]
    [TestCase("module.unet.attn.to_q.lora_A.weight", "module.unet.attn.to_q.lora_B.weight", LoraFormat.Diffusers, 1)]
    [TestCase("pipe.unet.attn.to_q.lora_A.default.weight", "pipe.unet.attn.to_q.lora_B.default.weight", LoraFormat.Diffusers, 1)]
    [TestCase("model.unet.attn.to_q.lora.down.weight", "model.unet.attn.to_q.lora.up.weight", LoraFormat.DiffusersDown, 1)]
    [TestCase("denoiser.attn.to_q.lora_A.weight", "denoiser.attn.to_q.lora_B.weight", LoraFormat.Diffusers, 1)]
    [TestCase("my.own.wrapper.attn.processor.to_q_lora.down.weight", "my.own.wrapper.attn.processor.to_q_lora.up.weight", LoraFormat.DiffusersProcessor, 1)]
    [TestCase("module.base_model.model.unet.attn.to_q.lora_A.weight", "module.base_model.model.unet.attn.to_q.lora_B.weight", LoraFormat.Vader, 4)]
    [TestCase("lora_transformer_attn_to_q.lora_down.default.weight", "lora_transformer_attn_to_q.lora_up.default.weight", LoraFormat.Kohya, 1)]
    public void AKeyOfAnyDialectIsReadAndWrittenAgainAsItWas(string down, string up, LoraFormat format, double scale)
    {
        string path = Write("adapter.safetensors", Pair(down, up));
        Assert.That(LoraFormatDetector.Detect(path), Is.EqualTo(format));
        using LoraWeights weights = LoraFile.Read(_network, path, format);
        Assert.That(weights.MatchLayers(_network).Single().Layer.Name, Is.EqualTo("attn.to_q"));
        Assert.That(weights.Pairs.Single().Scale, Is.EqualTo(scale));
        string saved = _folder.Path("saved.safetensors");
        LoraFile.Save(_network, weights, saved, format);
        Assert.That(KeysOf(saved), Is.EquivalentTo(new[] { down, up }));
    }

    /// <summary>A prefix of the user's must stand before every key of the denoiser, and lead to layers that it has.</summary>
    [TestCase("pipe.unet.attn.to_q", "unet.attn.to_out.0", "'pipe.unet.attn.to_q.lora_A.weight'")]
    [TestCase("pipe.unet.attn.to_q", "other.unet.attn.to_out.0", "pipe.unet.attn.to_q")]
    [TestCase("pipe.unet.attn.to_q", "pipe.unet.attn.to_nothing", "pipe.unet.attn.to_q")]
    public void AnUnknownPrefixThatDoesNotHoldForAllKeysIsRefusedWithThem(string first, string second, string mentions)
    {
        Dictionary<string, Tensor> two = Pair($"{first}.lora_A.weight", $"{first}.lora_B.weight");
        foreach ((string key, Tensor value) in Pair($"{second}.lora_A.weight", $"{second}.lora_B.weight"))
        {
            two.Add(key, value);
        }

        string path = Write("adapter.safetensors", two);
        Assert.That(() => LoraFile.Load(_network, path, LoraFormat.Diffusers), Throws.TypeOf<WeightFileException>().With.Message.Contains(mentions));
    }

    [Test]
    public void TextEncodersBehindAWrapperAreNotTheDenoisers()
    {
        Dictionary<string, Tensor> tensors = Pair("pipe.unet.attn.to_q.lora_A.weight", "pipe.unet.attn.to_q.lora_B.weight");
        tensors.Add($"pipe.{TextKey}", ones(2, 6));
        using LoraWeights weights = LoraFile.Read(_network, Write("adapter.safetensors", tensors), LoraFormat.Diffusers);
        Assert.That((weights.Pairs.Single().Module, weights.Origin.NotApplied.Keys.Single()), Is.EqualTo(("attn.to_q", $"pipe.{TextKey}")));
    }

    [Test]
    public void PeftKeysMayLackThePrefixAndHaveAnAdaptersName()
    {
        foreach (string key in new[] { "base_model.model.attn.to_q.{0}.default.weight", "attn.to_q.{0}.weight", "base_model.model.attn.to_q.{0}.weight" })
        {
            string file = Peft(
                $"peft-{key.Length}", """{ "r": 2, "lora_alpha": 32 }""", Pair(string.Format(null, key, "lora_A"), string.Format(null, key, "lora_B")));
            using LoraWeights weights = LoraFile.Read(_network, Path.GetDirectoryName(file)!, LoraFormat.Peft);
            Assert.That(weights.Pairs.Single().Scale, Is.EqualTo(16), key);
        }
    }

    [TestCase("base_model.model.", LoraFormat.Vader)]
    [TestCase("unet.", LoraFormat.Diffusers)]
    public void SeveralAdaptersInOneFileAreRefusedWithTheirNames(string prefix, LoraFormat format)
    {
        Dictionary<string, Tensor> two = Pair($"{prefix}attn.to_q.lora_A.first.weight", $"{prefix}attn.to_q.lora_B.first.weight");
        foreach ((string key, Tensor value) in Pair($"{prefix}attn.to_out.0.lora_A.second.weight", $"{prefix}attn.to_out.0.lora_B.second.weight"))
        {
            two.Add(key, value);
        }

        string path = Write("two.safetensors", two);
        Assert.That(
            () => LoraFile.Read(_network, path, format),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("'first', 'second'").And.Message.Contains("selected_adapters"));
    }

    [Test]
    public void AnAlphaBesideLoraAKeepsTheDialect()
    {
        Dictionary<string, Tensor> tensors = Pair("unet.attn.to_q.lora_A.weight", "unet.attn.to_q.lora_B.weight");
        tensors.Add("unet.attn.to_q.alpha", tensor(6f, dtype: ScalarType.Float16));
        string path = Write("adapter.safetensors", tensors);
        Assert.That(LoraFormatDetector.Detect(path), Is.EqualTo(LoraFormat.Diffusers));
        using LoraWeights weights = LoraFile.Read(_network, path, LoraFormat.Diffusers);
        Assert.That((weights.Origin.Format, weights.Pairs.Single().Scale), Is.EqualTo(((LoraFormat?)LoraFormat.Diffusers, 3.0)));
        string saved = _folder.Path("saved.safetensors");
        LoraFile.Save(_network, weights, saved, LoraFormat.Diffusers);
        Assert.That(KeysOf(saved), Is.EquivalentTo(tensors.Keys));
        using var file = new SafetensorsFile(saved);
        using Tensor alpha = file.Read("unet.attn.to_q.alpha");
        Assert.That((alpha.dtype, alpha.to(ScalarType.Float64).item<double>()), Is.EqualTo((ScalarType.Float16, 6.0)));
    }

    [TestCase("unet.attn.to_q.lora_B.default.bias", "bias")]
    [TestCase("unet.attn.to_q.lora.up.bias", "bias")]
    [TestCase("unet.attn.to_q.diff_b", "diff_b")]
    [TestCase("unet.attn.to_q.lora_mid.weight", "Tucker")]
    [TestCase("unet.attn.to_q.lora_magnitude_vector.default.weight", "DoRA")]
    [TestCase("unet.attn.to_q.dora_scale", "DoRA")]
    [TestCase("unet.norm.w_norm", "w_norm")]
    [TestCase("unet.attn.modules_to_save.default.weight", "modules_to_save")]
    public void WhatIsBesideTheFactorsIsRefusedByItsName(string key, string mentions)
    {
        Dictionary<string, Tensor> tensors = Pair("unet.attn.to_q.lora_A.weight", "unet.attn.to_q.lora_B.weight");
        tensors.Add(key, zeros(6));
        string path = Write("adapter.safetensors", tensors);
        Assert.That(
            () => LoraFile.Read(_network, path, LoraFormat.Diffusers),
            Throws.TypeOf<WeightFileException>().With.Message.Contains(mentions).And.Message.Contains(key));
    }

    [Test]
    public void TheConfigurationBesidePeftsFileIsRead([Values("adapter_model.safetensors", "adapter_model.bin")] string name, [Values] bool link)
    {
        string file = Peft(
            "peft", """{ "r": 2, "lora_alpha": 32 }""", Pair("base_model.model.attn.to_q.lora_A.weight", "base_model.model.attn.to_q.lora_B.weight"), name);
        if (link)
        {
            // As the hub's cache has it: the snapshot's file is a link into blobs, its configuration another.
            string blob = _folder.Path("blobs/0123");
            Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
            File.Move(file, blob);
            File.CreateSymbolicLink(file, blob);
            string outside = _folder.Path(name);
            File.CreateSymbolicLink(outside, file);
            file = outside;
        }

        var lora = new VideoLora(file);
        Assert.That(lora.DetectedFormat, Is.EqualTo(LoraFormat.Peft));
        using LoraWeights weights = LoraFile.Read(_network, file, lora.DetectedFormat);
        Assert.That(weights.Pairs.Single().Scale, Is.EqualTo(16));
        Assert.That(weights.Origin.Assumptions, Is.Empty);
    }

    [Test]
    public void WithoutAConfigurationItIsSaidWhichAlphaWasTaken()
    {
        string path = Write("adapter_model.safetensors", Pair("base_model.model.attn.to_q.lora_A.weight", "base_model.model.attn.to_q.lora_B.weight"));
        using (LoraWeights weights = LoraFile.Read(_network, path, LoraFormatDetector.Detect(path)))
        {
            Assert.That(weights.Pairs.Single().Scale, Is.EqualTo(4));
            Assert.That(weights.Origin.Assumptions.Single(), Does.Contain(path).And.Contain("8 was assumed").And.Contain("adapter_config.json"));
        }

        using LoraWeights stated = LoraFile.Read(_network, path, LoraFormat.Vader, new LoraFileOptions { Alpha = 8 });
        Assert.That(stated.Origin.Assumptions, Is.Empty);
    }

    [Test]
    public void AKohyaFileWithoutAlphasSaysWhatIsNotRead()
    {
        Dictionary<string, Tensor> tensors = Pair("lora_unet_attn_to_q.lora_down.weight", "lora_unet_attn_to_q.lora_up.weight");
        string path = _folder.Path("kohya.safetensors");
        SafetensorsWriter.Write(path, tensors, new Dictionary<string, string> { ["ss_network_alpha"] = "1.0" });
        using LoraWeights weights = LoraFile.Read(_network, path, LoraFormat.Kohya);
        Assert.That(weights.Pairs.Single().Scale, Is.EqualTo(1));
        Assert.That(weights.Origin.Assumptions.Single(), Does.Contain("ss_network_alpha").And.Contain("'1.0'"));
    }

    [TestCase("pytorch_lora_weights.safetensors")]
    [TestCase("pytorch_lora_weights.bin")]
    [TestCase("my_style.safetensors")]
    public void AFolderWithOneFileOfWeightsIsTaken(string name)
    {
        Write($"lora/{name}", Pair("unet.attn.to_q.lora_A.weight", "unet.attn.to_q.lora_B.weight"));
        _folder.Write("lora/README.md", "x"u8);
        Assert.That(LoraFormatDetector.Detect(_folder.Path("lora")), Is.EqualTo(LoraFormat.Diffusers));
        using LoraWeights weights = LoraFile.Read(_network, _folder.Path("lora"), LoraFormat.Diffusers);
        Assert.That(weights.Pairs, Has.Count.EqualTo(1));
    }

    [Test]
    public void OfTwoFormsOfOneAdapterTheSafetensorsFileIsTakenAndATrainingsOtherFilesArePassedOver()
    {
        foreach (string name in new[] { "pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin", "optimizer.bin", "random_states_0.pt" })
        {
            Write($"lora/{name}", Pair("unet.attn.to_q.lora_A.weight", "unet.attn.to_q.lora_B.weight"));
        }

        Assert.That(LoraLocation.Find(_folder.Path("lora")), Is.EqualTo(new LoraLocation(_folder.Path("lora/pytorch_lora_weights.safetensors"), Config: null)));
    }

    [Test]
    public void WhatAFolderDoesNotDecideIsSaidWithWhatWasFound()
    {
        _folder.Write("two/a.safetensors", "x"u8);
        _folder.Write("two/b.safetensors", "x"u8);
        _folder.Write("both/adapter_config.json", "{}"u8);
        _folder.Write("both/adapter_model.safetensors", "x"u8);
        _folder.Write("both/pytorch_lora_weights.safetensors", "x"u8);
        _folder.Write("config/adapter_config.json", "{}"u8);
        _folder.Write("peft/adapter_model.safetensors", "x"u8);
        _folder.Write("nested/style/adapter_config.json", "{}"u8);
        Directory.CreateDirectory(_folder.Path("empty"));
        void Refused(string folder, params string[] mentions)
        {
            WeightFileException? refusal = Assert.Throws<WeightFileException>(() => LoraFormatDetector.Detect(_folder.Path(folder)));
            Assert.That(mentions, Is.All.Matches<string>(mention => refusal!.Message.Contains(mention!, StringComparison.Ordinal)), refusal!.Message);
        }

        using (Assert.EnterMultipleScope())
        {
            Refused("two", "more than one adapter", "a.safetensors", "b.safetensors");
            Refused("both", "more than one adapter", "adapter_model.safetensors", "pytorch_lora_weights.safetensors");
            Refused("config", "neither adapter_model.safetensors nor adapter_model.bin");
            Refused("peft", "adapter_config.json", "no such file");
            Refused("nested", "style");
            Refused("empty", "pytorch_lora_weights.safetensors", "nothing");
        }
    }

    [TestCase("unet.attn.to_q.lora_A.weight", "unet.attn.to_q.lora_B.weight", TextKey, LoraFormat.Diffusers, LoraFormat.Kohya)]
    [TestCase("unet.attn.to_q.lora_A.weight", "unet.attn.to_q.lora_B.weight", "text_encoder_2.a.lora_A.weight", LoraFormat.Diffusers, LoraFormat.Peft)]
    [TestCase(
        "base_model.model.attn.to_q.lora_A.weight", "base_model.model.attn.to_q.lora_B.weight", "base_model.model.text_encoder.a.lora_A.weight",
        LoraFormat.Vader, LoraFormat.Diffusers)]
    [TestCase(
        "lora_unet_attn_to_q.lora_down.weight", "lora_unet_attn_to_q.lora_up.weight", "lora_te_text_model_a.lora_down.weight", LoraFormat.Kohya,
        LoraFormat.Diffusers)]
    [TestCase(
        "lora_unet_attn_to_q.lora_down.weight", "lora_unet_attn_to_q.lora_up.weight", "lora_te1_text_model_a.lora_down.weight", LoraFormat.Kohya,
        LoraFormat.Diffusers)]
    [TestCase(
        "lora_unet_attn_to_q.lora_down.weight", "lora_unet_attn_to_q.lora_up.weight", "lora_te2_text_model_a.lora_down.weight", LoraFormat.Kohya,
        LoraFormat.Diffusers)]
    public void TextEncodersTensorsAreCountedAndKeptInTheirOwnFormatOnly(string down, string up, string text, LoraFormat format, LoraFormat other)
    {
        Dictionary<string, Tensor> tensors = Pair(down, up);
        tensors.Add(text, ones(2, 6));
        string path = Write("adapter.safetensors", tensors);
        using LoraWeights weights = LoraFile.Read(_network, path, LoraFormatDetector.Detect(path), new LoraFileOptions { Alpha = 2 });
        Assert.That(weights.Origin.DescribeNotApplied("are lost"), Does.Contain("1 tensors").And.Contain(text).And.Contain(path));
        Assert.That((LoraFile.KeepsOtherNetworks(weights, format), LoraFile.KeepsOtherNetworks(weights, other)), Is.EqualTo((true, false)));
        string same = _folder.Path("same.safetensors"), converted = _folder.Path("converted");
        LoraFile.Save(_network, weights, same, format, new LoraFileOptions { Alpha = 2 });
        LoraFile.Save(_network, weights, converted, other);
        Assert.That(KeysOf(same), Has.Member(text));
        Assert.That(
            KeysOf(Directory.Exists(converted) ? Path.Combine(converted, "adapter_model.safetensors") : converted), Has.No.Member(text).And.Length.AtLeast(2));
    }

    [Test]
    public void ACheckpointWithOneDictOfTensorsIsOpened()
    {
        string path = _folder.Path("checkpoint.pt");
        TorchZipWriter.Write(path, new Dictionary<string, IReadOnlyDictionary<string, Tensor>>
        {
            ["state_dict"] = Pair("base_model.model.attn.to_q.lora_A.weight", "base_model.model.attn.to_q.lora_B.weight"),
        });
        Assert.That(LoraFormatDetector.Detect(path), Is.EqualTo(LoraFormat.Vader));
        using LoraWeights weights = LoraFile.Read(_network, path, LoraFormat.Vader);
        Assert.That(weights.Pairs, Has.Count.EqualTo(1));
    }

    [Test]
    public void ReadingAndConvertingTellOfLostTensorsOnce()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        string module = AdaptableLayer.FindAll(model.Denoiser).First(layer => layer.Name.EndsWith("attn1.to_q", StringComparison.Ordinal)).Name;
        long width = AdaptableLayer.FindAll(model.Denoiser).First(layer => layer.Name == module).WeightShape[0];
        string path = Write("adapter.safetensors", new()
        {
            [$"unet.{module}.lora_A.weight"] = ones(2, width),
            [$"unet.{module}.lora_B.weight"] = ones(width, 2),
            [TextKey] = ones(2, 6),
            [TextKey.Replace("lora_A", "lora_B", StringComparison.Ordinal)] = ones(6, 2),
        });
        var lora = new VideoLora(path);
        Assert.That(
            lora.Convert(model, _folder.Path("kohya.safetensors"), LoraFormat.Kohya).Single(),
            Does.Contain("2 tensors").And.Contain(TextKey).And.Contain("left out"));
        Assert.That(lora.Convert(model, _folder.Path("again.safetensors"), LoraFormat.Diffusers), Is.Empty, "they are kept");

        var context = new MLContext(seed: 1);
        var warnings = new List<string>();
        context.Log += (_, entry) => warnings.AddRange(entry.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning ? [entry.RawMessage] : []);
        IDataView prompts = context.Data.LoadFromPrompts(["a"]);
        var options = new VideoAlignmentOptions { Sampling = new() { Frames = 3, Height = 16, Width = 16, Steps = 2 } };
        context.Transforms.GenerateVideo("Video", "Prompt", model, options.Sampling, [lora]).Fit(prompts).Dispose();
        Assert.That(warnings.Where(warning => warning.Contains("text encoder", StringComparison.Ordinal)), Has.Exactly(1).Contains(TextKey));
    }

    [Test]
    public void APeftFolderKeepsItsAlphaOnConversionByEitherPath()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        string module = AdaptableLayer.FindAll(model.Denoiser).First(layer => layer.Name.EndsWith("attn1.to_q", StringComparison.Ordinal)).Name;
        long width = AdaptableLayer.FindAll(model.Denoiser).First(layer => layer.Name == module).WeightShape[0];
        string file = Peft(
            "peft", """{ "r": 4, "lora_alpha": 32 }""",
            new() { [$"base_model.model.{module}.lora_A.weight"] = ones(4, width), [$"base_model.model.{module}.lora_B.weight"] = ones(width, 4) });
        foreach (string path in new[] { Path.GetDirectoryName(file)!, file, Path.Combine(Path.GetDirectoryName(file)!, "adapter_config.json") })
        {
            string kohya = _folder.Path("kohya.safetensors");
            Assert.That(new VideoLora(path).Convert(model, kohya, LoraFormat.Kohya), Is.Empty);
            using LoraWeights read = LoraFile.Read(model.Denoiser, kohya, LoraFormat.Kohya);
            Assert.That(read.Pairs.Single().Scale, Is.EqualTo(8), path);
        }
    }

    private static Dictionary<string, Tensor> Pair(string down, string up)
    {
        bool output = down.Contains("to_out", StringComparison.Ordinal);
        return new(StringComparer.Ordinal) { [down] = ones(2, 6), [up] = ones(output ? 4 : 6, 2) };
    }

    private string Peft(string folder, string config, Dictionary<string, Tensor> tensors, string name = "adapter_model.safetensors")
    {
        _folder.Write($"{folder}/adapter_config.json", Encoding.UTF8.GetBytes(config));
        return Write($"{folder}/{name}", tensors);
    }

    private string Write(string name, Dictionary<string, Tensor> tensors)
    {
        string path = _folder.Write(name, []);
        if (Path.GetExtension(name) == ".safetensors")
        {
            SafetensorsWriter.Write(path, tensors);
        }
        else
        {
            TorchZipWriter.Write(path, tensors);
        }

        return path;
    }

    private static string[] KeysOf(string path)
    {
        using IWeightSource source = WeightFile.Open(path);
        return [.. source.Entries.Keys];
    }
}
