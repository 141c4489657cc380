using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Models.ModelScope;

/// <summary>ModelScope's blocks in small, without files.</summary>
internal static class ModelScopeUntrained
{
    private const string Ddim =
        """
        { "_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
          "clip_sample": false,
          "set_alpha_to_one": true, "timestep_spacing": "trailing" }
        """;

    /// <summary>Makes the parts.</summary>
    /// <param name="request">How large, and the weights.</param>
    public static ModelParts Make(UntrainedRequest request)
    {
        ModelScopeUNetConfig config = request.Choose<ModelScopeUNetConfig>(
            new()
            {
                BlockOutChannels = [64, 64],
                LayersPerBlock = 1,
                DownBlockTypes = ["CrossAttnDownBlock3D", "DownBlock3D"],
                UpBlockTypes = ["UpBlock3D", "CrossAttnUpBlock3D"],
                CrossAttentionWidth = 16,
                HeadSize = 16,
                SampleSize = (4, 4),
            },
            new() { BlockOutChannels = [96, 192, 384, 384], CrossAttentionWidth = 384, HeadSize = 32 },
            new());
        return ModelScopeModel.FromNetworks(
            request.Source, new UntrainedPrompts(request.Tiny ? 6 : 77, config.CrossAttentionWidth, request.Seed, TextEncoder(request)),
            request.Weights.Fill(new ModelScopeUNet(config, request.Placement)),
            request.Weights.Fill(new AutoencoderKL(UntrainedVae.Config(request), request.Placement)),
            UntrainedRequest.Parse(Ddim), request.Placement);
    }

    // The published one, of which only the weights are there; smaller models have none.
    private static ClipTextEncoder? TextEncoder(UntrainedRequest request) => request.Choose<Func<ClipTextEncoder?>>(
        () => null, () => null,
        () => request.Weights.Fill(new ClipTextEncoder(
            new ClipTextConfig { HiddenSize = 1024, IntermediateSize = 4096, NumHiddenLayers = 23, NumAttentionHeads = 16, HiddenAct = "gelu" },
            withProjection: false, request.Placement)))();
}
