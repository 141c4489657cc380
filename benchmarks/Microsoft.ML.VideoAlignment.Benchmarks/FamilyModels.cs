using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Makes models of each family without their files: of the published sizes as shapes alone, or of a middle size with random weights.</summary>
internal static class FamilyModels
{
    private static readonly AutoencoderKLConfig s_officialVae = new() { BlockOutChannels = [128, 256, 512, 512], LayersPerBlock = 2 };

    /// <summary>The families, as the command line and tables name them.</summary>
    public static IReadOnlyList<string> Names { get; } = ["modelscope", "videocrafter", "opensora", "svd"];

    /// <summary>Makes a model of the published size, which has shapes and no memory.</summary>
    /// <param name="family">One of <see cref="Names"/>.</param>
    /// <param name="precision">How the weights are stored.</param>
    public static VideoDiffusionModel Official(string family, WeightPrecision precision)
    {
        Placement placement = Placement.OnCpu(precision) with { Device = META };
        return family switch
        {
            "modelscope" => new VideoDiffusionModel(ModelScopeModel.FromNetworks(
                family, new UntrainedPrompts(77, 1024, seed: 1, new ClipTextEncoder(new ClipTextConfig
                {
                    HiddenSize = 1024,
                    IntermediateSize = 4096,
                    NumHiddenLayers = 23,
                    NumAttentionHeads = 16,
                    HiddenAct = "gelu",
                }, withProjection: false, placement)), new ModelScopeUNet(new ModelScopeUNetConfig(), placement), new AutoencoderKL(s_officialVae, placement),
                SizedModel.Scheduler, placement)),
            "videocrafter" => new VideoDiffusionModel(VideoCrafterModel.FromNetworks(
                family, VideoCrafterConfig.VideoCrafter2, new VideoCrafterNetworks(VideoCrafterConfig.VideoCrafter2, placement), tokenizer: null, placement)),
            "opensora" => new VideoDiffusionModel(OpenSoraModel.FromNetworks(
                family, new UntrainedTexts(300, 4096, seed: 1), new STDiT3(new STDiT3Config(), placement),
                new VideoAutoencoder(new VideoAutoencoderConfig { ChunkFrames = 17, ScaleChannels = 4 }, placement), placement)),
            _ => new VideoDiffusionModel(StableVideoDiffusionModel.FromNetworks(
                family, new ClipVisionEncoder(new ClipVisionConfig
                {
                    HiddenSize = 1280,
                    IntermediateSize = 5120,
                    NumHiddenLayers = 32,
                    NumAttentionHeads = 16,
                    ImageSize = 224,
                    PatchSize = 14,
                    ProjectionDim = 1024,
                    HiddenAct = "gelu",
                }, withProjection: true, placement), new StableVideoDiffusionUNet(new StableVideoDiffusionUNetConfig { Frames = 14 }, placement),
                new AutoencoderKLTemporalDecoder(s_officialVae, placement), UntrainedRequest.Parse(StableVideoDiffusionUntrained.Euler), (576, 1024),
                placement)),
        };
    }

    /// <summary>Makes a model of the same blocks in about a third of the widths: 0.3 to 0.8 GB of weights.</summary>
    /// <param name="family">One of <see cref="Names"/>.</param>
    /// <param name="precision">How the weights are stored.</param>
    /// <param name="filled">Whether the weights are random; false: they are whatever was in memory.</param>
    public static VideoDiffusionModel Middle(string family, WeightPrecision precision = WeightPrecision.Float32, bool filled = true) =>
        Untrained(family, UntrainedSize.Middle, precision, filled);

    /// <summary>Makes a model of the same blocks with next to no weights.</summary>
    /// <param name="family">One of <see cref="Names"/>.</param>
    public static VideoDiffusionModel Tiny(string family) => Untrained(family, UntrainedSize.Tiny, WeightPrecision.Float32, filled: true);

    /// <summary>Makes a model of one of the sizes that need no files.</summary>
    /// <param name="family">One of <see cref="Names"/>.</param>
    /// <param name="size">The size.</param>
    /// <param name="precision">How the weights are stored.</param>
    /// <param name="filled">Whether the weights are random; false: they are whatever was in memory.</param>
    public static VideoDiffusionModel Untrained(string family, UntrainedSize size, WeightPrecision precision, bool filled) => UntrainedModel.Make(
        family switch
        {
            "modelscope" => VideoModelFamily.ModelScope,
            "videocrafter" => VideoModelFamily.VideoCrafter,
            "opensora" => VideoModelFamily.OpenSora,
            _ => VideoModelFamily.StableVideoDiffusion,
        },
        size, seed: 1, precision, filled);
}
