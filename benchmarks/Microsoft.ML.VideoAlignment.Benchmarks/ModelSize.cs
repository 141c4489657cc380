using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>A size at which everything is measured.</summary>
/// <param name="Name">Its name on the command line and in tables.</param>
/// <param name="UNet">The denoiser.</param>
/// <param name="Vae">The autoencoder.</param>
/// <param name="Latents">The shape [1, c, T, h, w] of a video's latents.</param>
/// <param name="Tokens">Tokens of a prompt.</param>
/// <param name="GuidanceScale">The guidance scale.</param>
/// <param name="Steps">Denoising steps of a video.</param>
/// <param name="LoraRank">The rank of the adapters.</param>
internal sealed record ModelSize(
    string Name, ModelScopeUNetConfig UNet, AutoencoderKLConfig Vae, long[] Latents, long Tokens, double GuidanceScale, int Steps, int LoraRank)
{
    /// <summary>The size of the MovingShapes model: 8 frames of 32 x 32.</summary>
    public static ModelSize Embedded { get; } = new(
        "embedded",
        ModelScopeUNetConfig.FromJson(Parse("""
            {"block_out_channels": [32, 64], "layers_per_block": 1, "attention_head_dim": 8, "cross_attention_dim": 64, "norm_num_groups": 8,
             "in_channels": 4, "out_channels": 4, "down_block_types": ["DownBlock3D", "CrossAttnDownBlock3D"],
             "up_block_types": ["CrossAttnUpBlock3D", "UpBlock3D"]}
            """)),
        AutoencoderKLConfig.FromJson(Parse("""
            {"block_out_channels": [16, 32, 64], "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 4, "scaling_factor": 0.678,
             "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
             "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}
            """)),
        [1, 4, 8, 8, 8], Tokens: 20, GuidanceScale: 3, Steps: 20, LoraRank: 8);

    /// <summary>Large enough that kernels dominate, small enough for two cores: 16 frames of 192 x 192. The reference's graphs have this size.</summary>
    public static ModelSize Middle { get; } = new(
        "middle",
        ModelScopeUNetConfig.FromJson(Parse("""
            {"block_out_channels": [64, 128, 256, 256], "layers_per_block": 2, "attention_head_dim": 32, "cross_attention_dim": 256, "norm_num_groups": 32,
             "in_channels": 4, "out_channels": 4,
             "down_block_types": ["CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "DownBlock3D"],
             "up_block_types": ["UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D"]}
            """)),
        AutoencoderKLConfig.FromJson(Parse("""
            {"block_out_channels": [64, 128, 256, 256], "layers_per_block": 2, "latent_channels": 4, "norm_num_groups": 32,
             "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
             "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}
            """)),
        [1, 4, 16, 24, 24], Tokens: 77, GuidanceScale: 9, Steps: 20, LoraRank: 16);

    /// <summary>Finds a size.</summary>
    /// <param name="name">Its name.</param>
    public static ModelSize ByName(string name) => name == Middle.Name ? Middle : Embedded;

    /// <summary>The size of a video.</summary>
    public VideoSize Video => new((int)Latents[2], (int)Latents[3] << (Vae.BlockOutChannels.Count - 1), (int)Latents[4] << (Vae.BlockOutChannels.Count - 1));

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
