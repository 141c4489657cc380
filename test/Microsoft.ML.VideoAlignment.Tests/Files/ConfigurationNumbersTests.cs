using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Every number of a configuration: of the wrong sign or kind, not finite, not whole, beyond what a network has.</summary>
public class ConfigurationNumbersTests
{
    private static readonly string[] s_noNumbers = ["NaN", "Infinity", "-Infinity", "1e999", "-1", "\"4\"", "[]", "true"];

    /// <summary>A configuration without the key, and its keys for sizes and for other numbers above 0.</summary>
    private static readonly (string Name, Func<JsonElement, object> Read, string Json, string[] Sizes, string[] Numbers)[] s_networks =
    [
        ("ModelScopeUNet", ModelScopeUNetConfig.FromJson, "{",
            ["in_channels", "out_channels", "layers_per_block", "norm_num_groups", "cross_attention_dim", "attention_head_dim", "sample_size"],
            ["norm_eps", "mid_block_scale_factor"]),
        ("StableVideoDiffusionUNet", StableVideoDiffusionUNetConfig.FromJson, "{",
            [
                "in_channels", "out_channels", "sample_size", "addition_time_embed_dim", "projection_class_embeddings_input_dim", "cross_attention_dim",
                "num_frames",
            ],
            []),
        ("VideoCrafterUNet", VideoCrafterUNetConfig.FromJson,
            """
            { "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": 1, "context_dim": 8, "attention_resolutions": [1],
              "num_head_channels": 8, "temporal_length": 4
            """,
            [
                "in_channels", "out_channels", "model_channels", "num_res_blocks", "context_dim", "transformer_depth", "temporal_transformer_depth",
                "temporal_length",
            ],
            []),
        ("STDiT3", STDiT3Config.FromJson, "{",
            ["in_channels", "hidden_size", "depth", "num_heads", "caption_channels", "model_max_length"], ["mlp_ratio", "input_sq_size"]),
        ("AutoencoderKL", AutoencoderKLConfig.FromJson, "{",
            ["in_channels", "out_channels", "layers_per_block", "latent_channels", "norm_num_groups"], ["scaling_factor"]),
        ("TemporalVae", TemporalVaeConfig.FromJson, "{", ["in_out_channels", "latent_embed_dim", "embed_dim", "filters", "num_res_blocks", "num_groups"], []),
        ("T5", T5Config.FromJson, "{",
            [
                "vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads", "relative_attention_num_buckets", "relative_attention_max_distance",
            ],
            ["layer_norm_epsilon"]),
        ("ClipText", ClipTextConfig.FromJson, "{",
            [
                "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings", "projection_dim",
            ],
            ["layer_norm_eps"]),
        ("ClipVision", ClipVisionConfig.FromJson, "{",
            [
                "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_channels", "image_size", "patch_size",
                "projection_dim",
            ],
            ["layer_norm_eps"]),
        ("Labels", LabelTable.FromJson, "{", ["num_labels"], []),
    ];

    public static IEnumerable<TestCaseData> Networks() => s_networks.Select(network =>
        new TestCaseData(network.Read, network.Json, network.Sizes, network.Numbers).SetName($"{{m}}({network.Name})"));

    [TestCaseSource(nameof(Networks))]
    public void ANumberThatIsNoneIsRefusedByItsKey(Func<JsonElement, object> read, string json, string[] sizes, string[] numbers)
    {
        ArgumentNullException.ThrowIfNull(read);
        Assert.That(() => read(Json(json, null, "")), Throws.Nothing, "the configuration itself");
        using (Assert.EnterMultipleScope())
        {
            IEnumerable<(string Key, string Value)> badSizes =
                sizes.SelectMany(key => s_noNumbers.Concat(["0", "1.5", "99999999999", "1e30"]).Select(value => (key, value)));
            IEnumerable<(string Key, string Value)> badNumbers = numbers.SelectMany(key => s_noNumbers.Append("0").Select(value => (key, value)));
            foreach ((string key, string value) in badSizes.Concat(badNumbers))
            {
                // A list is a size by level or by side in some networks.
                if (value != "[]" || key is not ("sample_size" or "cross_attention_dim"))
                {
                    Assert.That(() => read(Json(json, key, value)), Throws.TypeOf<InvalidDataException>().With.Message.Contains(key), $"{key}: {value}");
                }
            }
        }
    }

    [TestCase("[]")]
    [TestCase("[224, 224, 3]")]
    public void AnImagesSizeIsOneNumberOrTwo(string size) => Assert.That(
        () => OpenClipVisionConfig.FromJson(JsonFile.Parse($$"""{ "image_size": {{size}} }""", "here"), quickGelu: false),
        Throws.TypeOf<InvalidDataException>().With.Message.Contains("image_size"));

    [TestCase("false")]
    [TestCase("{}")]
    public void ASamplersNameIsAText(string name) => Assert.That(
        () => SchedulerFactory.FromConfig(JsonFile.Parse($$"""{ "_class_name": {{name}} }""", "here")),
        Throws.TypeOf<NotSupportedException>().With.Message.Contains("no _class_name"));

    [Test]
    public void ListsAreShortAndOfSizes()
    {
        foreach (string value in new[] { "[4, -4]", "[4, 0]", "[4, 1.5]", "[4, \"4\"]", "[4, NaN]", $"[{string.Join(", ", Enumerable.Repeat("32", 40))}]" })
        {
            Assert.That(() => AutoencoderKLConfig.FromJson(Json("{", "block_out_channels", value)),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains("block_out_channels"), value);
        }
    }

    [Test]
    public void WhatIsNoObjectIsSaid() =>
        Assert.That(() => ClipTextConfig.FromJson(Json("{", "text_config", "3")), Throws.TypeOf<InvalidDataException>().With.Message.Contains("text_config"));

    [Test]
    public void HeadsDivideTheWidth() =>
        Assert.That(() => ClipTextConfig.FromJson(Json("""{ "hidden_size": 10""", "num_attention_heads", "4")).Layer,
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("4 heads").And.Message.Contains("10"));

    public static IEnumerable<TestCaseData> Samplers() => new (string Name, Func<JsonElement, object> Read, string[] Positive, string[] Whole)[]
    {
        ("DDIM", DdimScheduler.FromConfig, ["clip_sample_range"], ["num_train_timesteps"]),
        ("DPMSolver", DpmSolverMultistepScheduler.FromConfig, ["sigma_min", "sigma_max"], ["num_train_timesteps", "solver_order"]),
        ("Euler", EulerDiscreteScheduler.FromConfig, ["sigma_min", "sigma_max"], ["num_train_timesteps"]),
        ("lvdm", VideoCrafterDdimScheduler.FromConfig, ["linear_start", "linear_end", "scale_a", "scale_b"], ["timesteps", "mid_step"]),
        ("FlowEuler", FlowMatchEulerDiscreteScheduler.FromConfig, ["shift", "flow_shift"], ["num_train_timesteps"]),
        ("RectifiedFlow", RectifiedFlow.FromConfig, [], ["num_timesteps"]),
    }.Select(sampler => new TestCaseData(sampler.Read, sampler.Positive, sampler.Whole).SetName($"{{m}}({sampler.Name})"));

    [TestCaseSource(nameof(Samplers))]
    public void ASamplersNumberThatIsNoneIsRefusedByItsKey(Func<JsonElement, object> read, string[] positive, string[] whole)
    {
        ArgumentNullException.ThrowIfNull(read);
        const string given = """{ "use_scale": true""";
        Assert.That(() => read(Json(given, null, "")), Throws.Nothing);
        using (Assert.EnterMultipleScope())
        {
            foreach (string key in positive.Concat(whole))
            {
                foreach (string value in s_noNumbers.Append("0").Concat(whole.Contains(key) ? ["2.5", "1e30", "2000000000"] : []))
                {
                    Assert.That(() => read(Json(given, key, value)), Throws.TypeOf<InvalidDataException>().With.Message.Contains(key), $"{key}: {value}");
                }
            }
        }
    }

    [TestCase("\"beta_start\": NaN", "beta_start")]
    [TestCase("\"beta_end\": 1e999", "beta_end")]
    [TestCase("\"beta_start\": -0.1", "betas")]
    [TestCase("\"beta_end\": 1", "betas")]
    [TestCase("\"beta_start\": 0, \"beta_end\": 0", "no noise")]
    [TestCase("\"beta_start\": 0.9, \"beta_end\": 0.99", "too much")]
    [TestCase("\"trained_betas\": [0.1, NaN]", "trained_betas")]
    [TestCase("\"trained_betas\": [0.1, \"x\"]", "trained_betas")]
    [TestCase("\"trained_betas\": []", "betas")]
    [TestCase("\"steps_offset\": -1", "steps_offset")]
    [TestCase("\"steps_offset\": 1000", "steps_offset")]
    [TestCase("\"steps_offset\": 0.5", "steps_offset")]
    public void ANoiseScheduleThatIsNoneIsRefused(string entries, string mentions)
    {
        Func<JsonElement, object>[] readers = [DdimScheduler.FromConfig, DpmSolverMultistepScheduler.FromConfig, EulerDiscreteScheduler.FromConfig];
        foreach (Func<JsonElement, object> read in readers)
        {
            Assert.That(() => read(JsonFile.Parse($"{{ {entries} }}", "here")), Throws.TypeOf<InvalidDataException>().With.Message.Contains(mentions));
        }
    }

    [Test]
    public void SigmasRiseAndAnInfinityThatMeansSomethingIsRead()
    {
        Assert.That(() => EulerDiscreteScheduler.FromConfig(JsonFile.Parse("""{ "sigma_min": 5, "sigma_max": 2 }""", "here")),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("sigma_max"));
        Assert.That(() => DpmSolverMultistepScheduler.FromConfig(JsonFile.Parse("""{ "lambda_min_clipped": -Infinity }""", "here")), Throws.Nothing);
        Assert.That(() => DpmSolverMultistepScheduler.FromConfig(JsonFile.Parse("""{ "lambda_min_clipped": NaN }""", "here")),
            Throws.TypeOf<InvalidDataException>());
    }

    private static JsonElement Json(string open, string? key, string value) =>
        JsonFile.Parse(key is null ? $"{open} }}" : $"{open}{(open.TrimEnd().EndsWith('{') ? "" : ",")} \"{key}\": {value} }}", "here");
}
