using System.IO.Compression;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// S18: the names and shapes of official files. Our network is built from the official configuration without memory for its weights and compared
/// through the key map that loading uses.
/// </summary>
public sealed class ManifestRunner : IConformanceRunner
{
    /// <summary>
    /// How to build the network a manifest is of, and the key map it is loaded with. A new network is one line here, and one less in NotCovered.
    /// </summary>
    private static readonly Dictionary<string, Func<JsonElement, IWeightSource, (nn.Module Module, KeyMap Map)>> s_networks = new(StringComparer.Ordinal)
    {
        ["modelscope-unet"] = (config, _) => (new ModelScopeUNet(ModelScopeUNetConfig.FromJson(config), Placement.Meta), KeyMap.Identity),
        ["modelscope-vae"] = (config, _) => (new AutoencoderKL(AutoencoderKLConfig.FromJson(config), Placement.Meta), AutoencoderKL.Keys),
        ["modelscope-text-encoder"] = (config, file) =>
            (new ClipTextEncoder(ClipTextConfig.FromJson(config), withProjection: false, Placement.Meta), ClipKeys.CreateTextMap(file, "")),
        ["yolos-base"] = (config, _) => (new YolosNetwork(YolosConfig.FromJson(config), Placement.Meta), YolosNetwork.Keys),
        ["yolos-tiny"] = (config, _) => (new YolosNetwork(YolosConfig.FromJson(config), Placement.Meta), YolosNetwork.Keys),
        ["videomae-base-finetuned-kinetics"] = (config, _) => (new VideoMaeNetwork(VideoMaeConfig.FromJson(config), Placement.Meta), VideoMaeNetwork.Keys),
        ["openai-clip-vit-large-patch14"] = (config, _) => (new ClipModel(ClipConfig.FromJson(config), Placement.Meta), ClipKeys.Both),
        ["vjepa-vitl16"] = (config, _) => (new VJepaNetwork(VJepaConfig.FromJson(config), Placement.Meta), VJepaKeys.Map),
        ["vjepa-vith16"] = (config, _) => (new VJepaNetwork(VJepaConfig.FromJson(config), Placement.Meta), VJepaKeys.Map),
        ["vjepa-vith16-384"] = (config, _) => (new VJepaNetwork(VJepaConfig.FromJson(config), Placement.Meta), VJepaKeys.Map),
        ["opensora-stdit3-xl-2"] = (config, _) => (new STDiT3(STDiT3Config.FromJson(config), Placement.Meta), KeyMap.Identity),
        ["opensora-vae-v1.2"] = (config, _) => (new VideoAutoencoder(VideoAutoencoderConfig.FromJson(config), Placement.Meta), VideoAutoencoder.Keys),
        ["hpsv2"] = (config, _) => OpenClip(config),
        ["hpsv2.1"] = (config, _) => OpenClip(config),
        ["svd-unet"] = (config, _) => (new StableVideoDiffusionUNet(StableVideoDiffusionUNetConfig.FromJson(config), Placement.Meta), KeyMap.Identity),
        ["svd-xt-unet"] = (config, _) => (new StableVideoDiffusionUNet(StableVideoDiffusionUNetConfig.FromJson(config), Placement.Meta), KeyMap.Identity),
        ["svd-vae"] = (config, _) => (new AutoencoderKLTemporalDecoder(AutoencoderKLConfig.FromJson(config), Placement.Meta), AutoencoderKL.Keys),
        ["svd-image-encoder"] = (config, file) =>
            (new ClipVisionEncoder(ClipVisionConfig.FromJson(config), withProjection: true, Placement.Meta), ClipKeys.CreateVisionMap(file)),
        ["t5-v1_1-xxl-encoder"] = (config, file) => (new T5Encoder(T5Config.FromJson(config), Placement.Meta), T5Keys.CreateMap(file)),
        ["wan-umt5-xxl-encoder"] = (config, file) => (new T5Encoder(T5Config.FromJson(config), Placement.Meta), T5Keys.CreateMap(file)),
        ["videocrafter2-model"] = (config, _) => VideoCrafter(VideoCrafterConfig.FromJson(config, VideoCrafterConfig.FindTextDescription)),
        ["pickscore-v1"] = (config, _) => (new ClipModel(ClipConfig.FromJson(config), Placement.Meta), ClipKeys.Both),
        ["wan21-t2v-1.3b"] = (config, _) => Wan(config),
        ["wan21-t2v-14b"] = (config, _) => Wan(config),
        ["wan21-i2v-14b-480p"] = (config, _) => Wan(config),
        ["wan21-flf2v-14b-720p"] = (config, _) => Wan(config),
        ["wan22-t2v-a14b-high-noise"] = (config, _) => Wan(config),
        ["wan22-t2v-a14b-low-noise"] = (config, _) => Wan(config),
        ["wan22-i2v-a14b-high-noise"] = (config, _) => Wan(config),
        ["wan22-i2v-a14b-low-noise"] = (config, _) => Wan(config),
        ["wan22-ti2v-5b"] = (config, _) => Wan(config),
        ["wan21-vae"] = (config, _) => WanAutoencoder(WanVaeConfig.FromJson(config)),
        ["wan22-vae"] = (config, _) => WanAutoencoder(WanVaeConfig.FromJson(config)),
    };

    /// <summary>
    /// The denoiser that an adapter's manifest is of, from the configuration of the base model's manifest, and what stands before its modules in the file.
    /// </summary>
    private static readonly Dictionary<string, (Func<JsonElement, nn.Module> Denoiser, string Prefix, ModelDefinition Family)> s_adapted =
        new(StringComparer.Ordinal)
        {
            ["vader-lora-videocrafter2-r16"] =
            (config => new VideoCrafterUNet(VideoCrafterUNetConfig.FromJson(config.GetProperty("unet_config").GetProperty("params")), Placement.Meta),
                "base_model.model.model.diffusion_model.", VideoCrafterModel.Definition),
            ["vader-lora-opensora-r16"] = (config => new STDiT3(STDiT3Config.FromJson(config), Placement.Meta), "base_model.model.", OpenSoraModel.Definition),
        };

    /// <summary>Tensors that the file holds with more axes of size 1 than we do: convolutions of size 1 that are matrices here.</summary>
    private static readonly Dictionary<string, int> s_reshaped = new(StringComparer.Ordinal)
    {
        ["videocrafter2-model"] = 2 + 8, // init_attn's projections; the four layers of attention in both halves of the autoencoder
    };

    public string Suite => "S18-manifests";

    public IReadOnlyCollection<string> Kinds => ["manifest"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        if (s_adapted.ContainsKey(testCase.Name))
        {
            CheckAdapters(testCase);
            return;
        }

        Assert.That(s_networks, Does.ContainKey(testCase.Name), $"{testCase}: no network is registered under this name");
        JsonElement manifest = Read(testCase.PathOf(testCase.Arguments.GetProperty("manifest").GetString()!));
        Dictionary<string, long[]> keys = ShapesOf(manifest.GetProperty("keys"));
        string[] tied = [.. manifest.GetProperty("tied").EnumerateArray().Select(name => name.GetString()!)];
        string[] buffers = [.. manifest.GetProperty("buffers").EnumerateArray().Select(name => name.GetString()!)];
        Assert.That(keys, Has.Count.EqualTo(testCase.Arguments.GetProperty("entries").GetInt32()), $"{testCase}: entries");

        Check(testCase, "as listed", keys);
        Check(testCase, "with optional entries", keys.Concat(ShapesOf(manifest.GetProperty("optional"))).ToDictionary(StringComparer.Ordinal));
        Check(testCase, "without tied entries", keys.Where(pair => !tied.Contains(pair.Key)).ToDictionary(StringComparer.Ordinal));
        Dictionary<string, string> aliases = manifest.GetProperty("aliases").EnumerateObject()
            .ToDictionary(alias => alias.Name, alias => alias.Value.EnumerateArray().First().GetString()!, StringComparer.Ordinal);
        Check(testCase, "under other spellings",
            keys.ToDictionary(pair => aliases.GetValueOrDefault(pair.Key, pair.Key), pair => pair.Value, StringComparer.Ordinal));

        long counted = keys.Where(pair => !tied.Contains(pair.Key) && !buffers.Contains(pair.Key)).Sum(pair => pair.Value.Aggregate(1L, (a, b) => a * b));
        Assert.That(counted, Is.EqualTo(manifest.GetProperty("parameters").GetInt64()), $"{testCase}: number of parameters");
    }

    /// <summary>Adapters attached afresh to the base model have the names and shapes of the file.</summary>
    private static void CheckAdapters(ConformanceCase testCase)
    {
        (Func<JsonElement, nn.Module> denoiser, string prefix, ModelDefinition family) = s_adapted[testCase.Name];
        ConformanceCase baseModel =
            ConformanceCase.Load(Path.Combine(Path.GetDirectoryName(testCase.Folder)!, testCase.Config.GetProperty("base").GetString()!));
        JsonElement manifest = Read(testCase.PathOf(testCase.Arguments.GetProperty("manifest").GetString()!));
        using nn.Module network = denoiser(baseModel.Config);
        using var generator = new Generator(1);
        LoraTargets targets = LoraTargets.ByName([.. testCase.Config.GetProperty("target_modules").EnumerateArray().Select(name => name.GetString()!)]);
        Assert.That(family.Traits.Lora.AttentionQkv.Select(network).Select(layer => layer.Name),
            Is.EqualTo(targets.Select(network).Select(layer => layer.Name)), $"{testCase}: the preset");
        using LoraAdapters adapters = LoraAdapters.Attach(
            network, targets, testCase.Config.GetProperty("r").GetInt32(), testCase.Config.GetProperty("lora_alpha").GetDouble(), generator);
        Assert.That(
            adapters.NamedFactors.Select(factor => $"{prefix}{factor.Name} {Shapes.Describe(factor.Factor)}"),
            Is.EquivalentTo(ShapesOf(manifest.GetProperty("keys")).Select(key => $"{key.Key} {Shapes.Describe((IEnumerable<long>)key.Value)}")),
                $"{testCase}: names and shapes");
        Assert.That(adapters.Parameters.Sum(factor => factor.numel()), Is.EqualTo(manifest.GetProperty("parameters").GetInt64()),
            $"{testCase}: number of parameters");
    }

    private static (nn.Module Module, KeyMap Map) VideoCrafter(VideoCrafterConfig config) =>
        (new VideoCrafterNetworks(config, Placement.Meta), VideoCrafterNetworks.Keys(config));

    private static (nn.Module Module, KeyMap Map) Wan(JsonElement config) =>
        (new WanTransformer(WanTransformerConfig.FromJson(config), Placement.Meta), WanTransformerKeys.Map);

    private static (nn.Module Module, KeyMap Map) OpenClip(JsonElement config) =>
        (new OpenClipModel(OpenClipConfig.FromJson(config), OpenClipHalves.Both, Placement.Meta), OpenClipModel.CreateKeyMap(OpenClipHalves.Both));

    private static (nn.Module Module, KeyMap Map) WanAutoencoder(WanVaeConfig config) =>
        (new WanVae(config, Placement.Meta), WanVaeKeys.CreateMap(config));

    private static void Check(ConformanceCase testCase, string how, Dictionary<string, long[]> keys)
    {
        using var source = new ListedWeights(testCase.ToString(), keys);
        (nn.Module module, KeyMap map) = s_networks[testCase.Name](testCase.Config, source);
        using (module)
        {
            LoadReport report = WeightLoader.Compare(module, source, map: map);
            Assert.That(report.Problem, Is.Empty, $"{testCase} {how}");
            Assert.That(report.Reshaped, Has.Count.EqualTo(s_reshaped.GetValueOrDefault(testCase.Name)),
                $"{testCase} {how}: exactly these shapes, but for axes of size 1");
        }
    }

    private static JsonElement Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        using var unzipped = new GZipStream(file, CompressionMode.Decompress);
        using JsonDocument json = JsonDocument.Parse(unzipped);
        return json.RootElement.Clone();
    }

    private static Dictionary<string, long[]> ShapesOf(JsonElement keys) =>
        keys.EnumerateObject()
            .ToDictionary(key => key.Name, key => key.Value[0].EnumerateArray().Select(size => size.GetInt64()).ToArray(), StringComparer.Ordinal);

    /// <summary>Names and shapes without values.</summary>
    private sealed class ListedWeights(string location, Dictionary<string, long[]> keys) : IWeightSource
    {
        public string Location => location;

        // Position ids are int64; nothing may ask for them.
        public IReadOnlyDictionary<string, WeightInfo> Entries { get; } = keys.ToDictionary(
            pair => pair.Key,
            pair => new WeightInfo(pair.Key.EndsWith("position_ids", StringComparison.Ordinal) ? ScalarType.Int64 : ScalarType.Float32, pair.Value),
            StringComparer.Ordinal);

        public Tensor Read(string name) => throw new NotSupportedException("a list of names has no values");

        public void Dispose()
        {
        }
    }
}
