using System.Globalization;
using System.Text;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Every number that an adapter file can give: ranks, alphas, patterns, factors.</summary>
public class LoraNumbersTests
{
    private static readonly double[] s_noAlphas = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, 0, -8, 1e30];

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

    [Test]
    public void AnAlphaThatScalesNothingIsRefused(
        [ValueSource(nameof(s_noAlphas))] double alpha, [Values("lora_unet_attn_to_q.{0}", "unet.attn.to_q.{0}", "base_model.model.attn.to_q.{0}")] string key)
    {
        bool kohya = key.StartsWith("lora_unet", StringComparison.Ordinal);
        string path = _folder.Path("adapter.safetensors");
        string name = string.Format(CultureInfo.InvariantCulture, key, "alpha");
        SafetensorsWriter.Write(path, new Dictionary<string, Tensor>
        {
            [string.Format(CultureInfo.InvariantCulture, key, kohya ? "lora_down.weight" : "lora_A.weight")] = ones(2, 6),
            [string.Format(CultureInfo.InvariantCulture, key, kohya ? "lora_up.weight" : "lora_B.weight")] = ones(6, 2),
            [name] = tensor(alpha),
        });
        Assert.That(
            () => LoraFile.Read(_network, path, LoraFormatDetector.Detect(path)),
            Throws.TypeOf<WeightFileException>().With.Message.Contains(name).And.Message.Contains("above 0"));
    }

    [TestCase("NaN")]
    [TestCase("Infinity")]
    [TestCase("-Infinity")]
    [TestCase("1e999")]
    [TestCase("0")]
    [TestCase("-1")]
    [TestCase("\"8\"")]
    [TestCase("true")]
    public void NumbersOfPeftsSettingsAreNumbersAboveZero(string number)
    {
        foreach (string settings in new[]
        {
            $$"""{ "r": {{number}} }""", $$"""{ "lora_alpha": {{number}} }""", $$"""{ "rank_pattern": { "to_q": {{number}} } }""",
            $$"""{ "alpha_pattern": { "to_q": {{number}} } }""",
        })
        {
            _folder.Write("peft/adapter_config.json", Encoding.UTF8.GetBytes(settings));
            string file = _folder.Path("peft/adapter_model.safetensors");
            SafetensorsWriter.Write(
                file, new Dictionary<string, Tensor> { ["attn.to_q.lora_A.weight"] = ones(8, 6), ["attn.to_q.lora_B.weight"] = ones(6, 8) });
            Assert.That(
                () => LoraFile.Read(_network, file, LoraFormat.Peft),
                Throws.TypeOf<WeightFileException>().With.Message.Contains("adapter_config.json").And.Message.Contains("above 0"), settings);
        }
    }

    [TestCase("""{ "r": 2.5 }""", "whole number")]
    [TestCase("""{ "rank_pattern": { "to_q": 1.5 } }""", "whole number")]
    [TestCase("""{ "r": 3000000 }""", "up to")]
    [TestCase("""{ "alpha_pattern": { "to_q": null } }""", "alpha_pattern of 'to_q' is null")]
    [TestCase("""{ "lora_alpha": 1e12 }""", "lora_alpha")]
    public void RanksAreWholeAndPatternsAreNotEmpty(string json, string mentions) => Assert.That(
        () => LoraSettings.FromJson(System.Text.Json.Nodes.JsonObject.Create(JsonFile.Parse(json, "here"))!, "here"),
        Throws.TypeOf<WeightFileException>().With.Message.Contains(mentions));

    [Test]
    public void ASwitchIsOffWhateverFalseLooksLike()
    {
        LoraSettings Settings(string value) => LoraSettings.FromJson(
            System.Text.Json.Nodes.JsonNode.Parse($$"""{ "r": 4, "lora_alpha": 4, "use_rslora": {{value}}, "use_dora": 0 }""")!.AsObject(), "here");
        Assert.That(new[] { "false", "null", "0", "true", "1" }.Select(value => Settings(value).GetScale("to_q", 4)), Is.EqualTo(new[] { 1.0, 1, 1, 2, 2 }));
    }

    [Test]
    public void DiffusersMetadataIsReadWithTheSameCare()
    {
        string path = _folder.Path("adapter.safetensors");
        foreach (string metadata in new[]
        {
            """{ "unet.r": 2, "unet.lora_alpha": NaN }""", """{ "unet.r": 2, "unet.lora_alpha": 1e999 }""", """{ "unet.r": 2.5 }""",
        })
        {
            SafetensorsWriter.Write(
                path, new Dictionary<string, Tensor> { ["unet.attn.to_q.lora_A.weight"] = ones(2, 6), ["unet.attn.to_q.lora_B.weight"] = ones(6, 2) },
                new Dictionary<string, string> { ["lora_adapter_metadata"] = metadata });
            Assert.That(
                () => LoraFile.Read(_network, path, LoraFormat.Diffusers), Throws.TypeOf<WeightFileException>().With.Message.Contains("above 0"), metadata);
        }
    }

    /// <summary>Keys may lack the prefix that the header's settings have: the scale is alpha / r all the same.</summary>
    [TestCase("")]
    [TestCase("unet.")]
    public void DiffusersMetadataCountsForBareKeysToo(string prefix)
    {
        string path = _folder.Path("adapter.safetensors");
        SafetensorsWriter.Write(
            path, new Dictionary<string, Tensor> { [$"{prefix}attn.to_q.lora_A.weight"] = ones(2, 6), [$"{prefix}attn.to_q.lora_B.weight"] = ones(6, 2) },
            new Dictionary<string, string> { ["lora_adapter_metadata"] = """{ "unet.r": 2, "unet.lora_alpha": 8 }""" });
        Assert.That(LoraFile.Read(_network, path, LoraFormat.Diffusers).Pairs.Single().Scale, Is.EqualTo(4));
    }

    /// <summary>The header's settings are the denoiser's whatever stands before them, as long as there is one network they can be of.</summary>
    [TestCase("", """{ "r": 2, "lora_alpha": 8 }""")]
    [TestCase("unet.", """{ "r": 2, "lora_alpha": 8 }""")]
    [TestCase("", """{ "transformer.r": 2, "transformer.lora_alpha": 8 }""")]
    [TestCase("unet.", """{ "transformer.r": 2, "transformer.lora_alpha": 8, "text_encoder.r": 4, "text_encoder.lora_alpha": 4 }""")]
    [TestCase("pipe.unet.", """{ "unet.r": 2, "unet.lora_alpha": 8, "format": "pt" }""")]
    [TestCase("unet.", """{ "unet.r": 2, "unet.lora_alpha": 8, "transformer.r": 4, "transformer.lora_alpha": 4 }""")]
    [TestCase("base_model.model.", """{ "r": 2, "lora_alpha": 8 }""")]
    public void DiffusersMetadataCountsUnderAnyPrefix(string prefix, string metadata)
    {
        string path = WithMetadata(prefix, metadata);
        using LoraWeights weights = LoraFile.Read(_network, path, LoraFormatDetector.Detect(path));
        Assert.That((weights.Pairs.Single().Scale, weights.Origin.Assumptions.Count), Is.EqualTo((4.0, 0)));
    }

    [TestCase("""{ "unet": { "r": 2, "lora_alpha": 8 } }""", "'unet'")]
    [TestCase("""{ "transformer.r": 2, "transformer.lora_alpha": 8, "prior.r": 2, "prior.lora_alpha": 4 }""", "'transformer.r'")]
    [TestCase("""{ "rank": 2, "alpha": 8 }""", "'alpha'")]
    public void DiffusersMetadataOfNoOneNetworkIsRefusedWithWhatItHolds(string metadata, string mentions) => Assert.That(
        () => LoraFile.Read(_network, WithMetadata("unet.", metadata), LoraFormat.Diffusers),
        Throws.TypeOf<WeightFileException>().With.Message.Contains("lora_adapter_metadata").And.Message.Contains("'unet.'").And.Message.Contains(mentions));

    [Test]
    public void DiffusersMetadataOfTextEncodersAloneIsSaidToSayNothing()
    {
        string path = WithMetadata("unet.", """{ "text_encoder.r": 2, "text_encoder.lora_alpha": 8 }""");
        using LoraWeights weights = LoraFile.Read(_network, path, LoraFormat.Diffusers);
        Assert.That(weights.Pairs.Single().Scale, Is.EqualTo(1));
        Assert.That(weights.Origin.Assumptions.Single(), Does.Contain("lora_adapter_metadata").And.Contain("scale is 1"));
    }

    /// <summary>An alpha that belongs to no module is not a key of an adapter.</summary>
    [Test]
    public void AnAlphaWithoutAModuleIsNoKey()
    {
        Assert.That(LoraKey.Parse(".alpha"), Is.Null);
        Assert.That(LoraKey.Parse("a.alpha"), Is.Not.Null);
    }

    [Test]
    public void FactorsThatAreNotFiniteAreRefused([Values(float.NaN, float.PositiveInfinity)] float value, [Values] bool inUp, [Values] bool half)
    {
        string path = _folder.Path("adapter.safetensors");
        ScalarType dtype = half ? ScalarType.BFloat16 : ScalarType.Float32;
        Tensor down = ones(2, 6, dtype: dtype), up = ones(6, 2, dtype: dtype);
        (inUp ? up : down)[0, 1] = value;
        SafetensorsWriter.Write(path, new Dictionary<string, Tensor> { ["unet.attn.to_q.lora_A.weight"] = down, ["unet.attn.to_q.lora_B.weight"] = up });
        Assert.That(
            () => LoraFile.Read(_network, path, LoraFormat.Diffusers),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("attn.to_q").And.Message.Contains("not finite"));
    }

    [Test]
    public void AFactorOfRankZeroIsRefused()
    {
        string path = _folder.Path("adapter.safetensors");
        SafetensorsWriter.Write(
            path, new Dictionary<string, Tensor> { ["unet.attn.to_q.lora_A.weight"] = ones(0, 6), ["unet.attn.to_q.lora_B.weight"] = ones(6, 0) });
        Assert.That(() => LoraFile.Read(_network, path, LoraFormat.Diffusers), Throws.TypeOf<WeightFileException>().With.Message.Contains("not LoRA factors"));
    }

    [Test]
    public void TheAlphaThatAUserStatesIsOne([ValueSource(nameof(s_noAlphas))] double alpha)
    {
        string path = _folder.Path("vader.pt");
        TorchZipWriter.Write(path, new Dictionary<string, Tensor>
        {
            ["base_model.model.attn.to_q.lora_A.weight"] = ones(2, 6),
            ["base_model.model.attn.to_q.lora_B.weight"] = ones(6, 2),
        });
        Assert.That(
            () => LoraFile.Read(_network, path, LoraFormat.Vader, new LoraFileOptions { Alpha = alpha }),
            Throws.ArgumentException.With.Message.Contains("Alpha"));
    }

    /// <summary>Half precision ends at 65504 and rounds what is no short fraction; the scale that is read is the one that was written.</summary>
    [Test]
    public void AnAlphaThatTheFactorsTypeDoesNotHoldIsWrittenWhole([Values(8, 0.3, 17.3, 100000)] double alpha,
        [Values(ScalarType.Float16, ScalarType.BFloat16)] ScalarType dtype)
    {
        string path = _folder.Path("adapter.safetensors");
        using (var weights = new LoraWeights([new LoraPair("attn.to_q", ones(2, 6, dtype: dtype), ones(6, 2, dtype: dtype), alpha / 2)], new LoraOrigin()))
        {
            LoraFile.Save(_network, weights, path, LoraFormat.Kohya);
        }

        using LoraWeights read = LoraFile.Read(_network, path, LoraFormat.Kohya);
        Assert.That(read.Pairs.Single().Scale, Is.EqualTo(alpha / 2).Within(1e-5).Percent);
        using var file = new SafetensorsFile(path);
        using Tensor written = file.Read("lora_unet_attn_to_q.alpha");
        Assert.That(written.dtype, Is.EqualTo(alpha == 8 ? dtype : ScalarType.Float32));
    }

    /// <summary>The file would be refused when it is read, as if a training had failed.</summary>
    [Test]
    public void AStrengthThatNoFactorHoldsIsRefused()
    {
        using var weights = new LoraWeights([new LoraPair("attn.to_q", ones(2, 6), ones(6, 2), 1)], new LoraOrigin { Location = "here" });
        Assert.That(() => LoraMix.Combine([(weights, 1e300)]),
            Throws.ArgumentException.With.Message.Contains("strength of 'here'").And.Message.Contains("1E+300").And.Message.Contains("attn.to_q"));
    }

    private string WithMetadata(string prefix, string metadata)
    {
        string path = _folder.Path("adapter.safetensors");
        SafetensorsWriter.Write(
            path, new Dictionary<string, Tensor> { [$"{prefix}attn.to_q.lora_A.weight"] = ones(2, 6), [$"{prefix}attn.to_q.lora_B.weight"] = ones(6, 2) },
            new Dictionary<string, string> { ["lora_adapter_metadata"] = metadata });
        return path;
    }
}
