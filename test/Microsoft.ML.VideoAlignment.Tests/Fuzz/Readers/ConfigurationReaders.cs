using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.MovingShapes;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Weights;
using static Microsoft.ML.VideoAlignment.Tests.FuzzSeeds;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Configurations of networks, schedulers and whole models.</summary>
internal static class ConfigurationReaders
{
    private static readonly Type[] s_documented = [typeof(WeightFileException), typeof(InvalidDataException), typeof(NotSupportedException)];

    public static IEnumerable<FuzzReader> All()
    {
        string[] openSora = ["S12-pipelines", "opensora-t2v"], modelScope = ["S12-pipelines", "modelscope-ddim", "model"],
            stable = ["S12-pipelines", "svd-basic", "pipeline"];
        yield return Config("CLIP text configuration", ClipTextConfig.FromJson, Case([.. modelScope, "text_encoder", "config.json"]), Embedded("clip"));
        yield return Config("CLIP configuration", ClipConfig.FromJson, Embedded("clip"));
        yield return Config("CLIP vision configuration", ClipVisionConfig.FromJson, Case([.. stable, "image_encoder", "config.json"]), Embedded("clip"));
        yield return Config("OpenCLIP configuration", OpenClipConfig.FromJson, Case("S12-pipelines", "videocrafter-ckpt", "tiny-text.json"));
        yield return Config("T5 configuration", T5Config.FromJson, Case([.. openSora, "text_encoder", "config.json"]));
        yield return Config("ModelScopeUNet configuration", ModelScopeUNetConfig.FromJson, Case([.. modelScope, "unet", "config.json"]));
        yield return Config("AutoencoderKL configuration", AutoencoderKLConfig.FromJson, Case([.. modelScope, "vae", "config.json"]));
        yield return Config("SVD UNet configuration", StableVideoDiffusionUNetConfig.FromJson, Case([.. stable, "unet", "config.json"]));
        yield return Config("STDiT3 configuration", STDiT3Config.FromJson, Case([.. openSora, "transformer", "config.json"]));
        yield return Config("Open-Sora VAE configuration", VideoAutoencoderConfig.FromJson, Case([.. openSora, "vae", "config.json"]));
        yield return Config("scheduler configuration", json => SchedulerFactory.FromConfig(json), Case([.. modelScope, "scheduler", "scheduler_config.json"]),
            Case([.. stable, "scheduler", "scheduler_config.json"]))
            with
        {
            Words =
            [
                "DDIMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler", "scaled_linear", "trained_betas", "_class_name",
                "FlowMatchEulerDiscreteScheduler", "UniPCMultistepScheduler", "flow_prediction", "use_flow_sigmas", "shift", "disable_corrector",
            ],
        };
        yield return Config("YOLOS configuration", YolosConfig.FromJson, Embedded("detector"));
        yield return Config("labels", LabelTable.FromJson, Embedded("detector")) with { Words = ["id2label", "label2id", "num_labels"] };
        yield return FuzzReader.OfFile("model index", "model_index.json", path =>
        {
            var listing = new ModelListing(Path.GetDirectoryName(path)!, []);
            _ = ModelCatalog.All.FirstOrDefault(family => family.Recognizes(listing));
        }, [Case([.. modelScope, "model_index.json"]), Case([.. stable, "model_index.json"])], s_documented) with
        { Words = ["_class_name", "TextToVideoSDPipeline", "StableVideoDiffusionPipeline"] };
        yield return Config("VideoMAE configuration", VideoMaeConfig.FromJson, Embedded("action"));
        yield return FuzzReader.OfFile(
            "YAML of VideoCrafter", "config.yaml",
            path => VideoCrafterConfig.FromJson(Params(YamlFile.Read(path)), name => VideoCrafterConfig.FindTextDescription(name) ?? Tiny()),
            [Case("S12-pipelines", "videocrafter-ckpt", "config.yaml")], s_documented) with
        { Words = ["&a ", "*a", "<<: *a", "- ", ": ", "!!binary ", "? ", "|\n", "---\n"] };

        static FuzzReader Config<T>(string name, Func<JsonElement, T> read, params byte[][] seeds) => new(name, seeds, (folder, json) =>
        {
            folder.Write("config.json", json);
            new DiffusersFolder(folder.Path("")).Parse(read);
        }, s_documented);

        static byte[] Embedded(string model) => File.ReadAllBytes(Path.Combine(MovingShapesFiles.Find(model), "config.json"));
        static JsonElement Params(JsonElement yaml) => yaml.TryGetProperty("model", out JsonElement model) && model.ValueKind == JsonValueKind.Object
            && model.TryGetProperty("params", out JsonElement read)
            && read.ValueKind == JsonValueKind.Object ? read : throw new InvalidDataException("no model.params");
        static JsonElement Tiny() => JsonFile.Read(Path.Combine(ConformanceCase.Root, "S12-pipelines", "videocrafter-ckpt", "tiny-text.json"));
    }
}
