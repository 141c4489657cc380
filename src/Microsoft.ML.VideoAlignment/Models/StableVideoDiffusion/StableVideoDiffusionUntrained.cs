using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>Stable Video Diffusion's blocks in small, without files.</summary>
internal static class StableVideoDiffusionUntrained
{
    /// <summary>As published.</summary>
    internal const string Euler =
        """
        { "_class_name": "EulerDiscreteScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
          "prediction_type": "v_prediction", "use_karras_sigmas": true, "sigma_min": 0.002, "sigma_max": 700.0,
          "timestep_type": "continuous", "timestep_spacing": "leading",
          "interpolation_type": "linear", "steps_offset": 1 }
        """;

    /// <summary>The fixed number of groups in the blocks over time.</summary>
    private const int FixedGroups = 32;

    /// <summary>Makes the parts.</summary>
    /// <param name="request">How large, and the weights.</param>
    public static ModelParts Make(UntrainedRequest request)
    {
        StableVideoDiffusionUNetConfig config = request.Choose<StableVideoDiffusionUNetConfig>(
            new()
            {
                BlockOutChannels = [2 * FixedGroups, 2 * FixedGroups],
                Heads = [4, 4],
                CrossAttentionWidth = [16, 16],
                TransformerLayers = [1, 1],
                LayersPerBlock = [1, 1],
                DownAttention = [true, false],
                UpAttention = [false, true],
                AdditionTimeEmbedDim = 16,
                AdditionWidth = 48,
                Frames = 8,
            },
            new() { BlockOutChannels = [96, 192, 384, 384], Heads = [3, 6, 12, 12], CrossAttentionWidth = [256, 256, 256, 256], Frames = 8 },
            new() { Frames = 14 });
        ClipVisionConfig vision = request.Choose<ClipVisionConfig>(
            new() { HiddenSize = 32, IntermediateSize = 64, NumHiddenLayers = 1, NumAttentionHeads = 2, PatchSize = 56, ProjectionDim = 16 },
            new() { HiddenSize = 128, IntermediateSize = 512, NumHiddenLayers = 2, NumAttentionHeads = 4, PatchSize = 32, ProjectionDim = 256 },
            ClipVisionConfig.VitH14);
        vision = vision with { ImageSize = 224 };
        AutoencoderKLConfig vae = UntrainedVae.Config(request);
        vae = request.Tiny ? vae with { BlockOutChannels = [2 * FixedGroups, 2 * FixedGroups, 2 * FixedGroups] } : vae;
        UntrainedWeights weights = request.Weights;
        return StableVideoDiffusionModel.FromNetworks(
            request.Source, weights.Fill(new ClipVisionEncoder(vision, withProjection: true, request.Placement)),
            weights.Fill(new StableVideoDiffusionUNet(config, request.Placement)),
            weights.Fill(new AutoencoderKLTemporalDecoder(vae, request.Placement)), UntrainedRequest.Parse(Euler),
            request.Choose((16, 16), (128, 128), (576, 1024)), request.Placement);
    }
}
