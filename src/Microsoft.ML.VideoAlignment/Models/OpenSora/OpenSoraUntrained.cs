using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Open-Sora's blocks in small, without files.</summary>
internal static class OpenSoraUntrained
{
    /// <summary>Makes the parts.</summary>
    /// <param name="request">How large, and the weights.</param>
    public static ModelParts Make(UntrainedRequest request)
    {
        STDiT3Config config = request.Choose<STDiT3Config>(
            new() { HiddenSize = 32, Depth = 1, Heads = 2, MlpRatio = 2, CaptionChannels = 16, MaxTokens = 6 },
            new() { HiddenSize = 768, Depth = 7, Heads = 12, CaptionChannels = 1024, MaxTokens = 120 },
            new() { HiddenSize = 1152, Depth = 28, Heads = 16, CaptionChannels = 4096, MaxTokens = 300 });
        TemporalVaeConfig temporal = request.Choose<TemporalVaeConfig>(
            new() { Filters = 16, ResBlocks = 1, Multipliers = [1, 1, 2], NormGroups = 4, Halves = [true, true] }, new() { Filters = 64 }, new());
        var vae = new VideoAutoencoderConfig
        {
            Spatial = UntrainedVae.Config(request) with { ScalingFactor = VideoAutoencoderConfig.ImageScale },
            Temporal = temporal,
            ChunkFrames = 17,
            ScaleChannels = request.Choose<long?>(null, null, 4),
        };
        return OpenSoraModel.FromNetworks(
            request.Source,
            new UntrainedTexts(
                (int)config.MaxTokens, config.CaptionChannels, request.Seed,
                request.Size == UntrainedSize.Full ? T5Files.CountBytes(T5Config.Xxl, request.Placement.Dtype) : 0),
            request.Weights.Fill(new STDiT3(config, request.Placement)),
            request.Weights.Fill(new VideoAutoencoder(vae, request.Placement)), request.Placement);
    }
}
