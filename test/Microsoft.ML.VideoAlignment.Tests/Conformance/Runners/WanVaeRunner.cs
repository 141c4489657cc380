using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S19: Wan's autoencoder, whole and in segments, with all activations kept and recomputed.</summary>
public sealed class WanVaeRunner() : NetworkRunner(
    "S19-wan", new Dictionary<string, Action<ConformanceCase>>(StringComparer.Ordinal) { ["diffusers.AutoencoderKLWan"] = Run })
{
    private static new void Run(ConformanceCase c)
    {
        Run(c, recompute: false, latentsAtOnce: null);
        Run(c, recompute: true, latentsAtOnce: null);
        Run(c, recompute: false, latentsAtOnce: 1);
        Run(c, recompute: true, latentsAtOnce: 1);
        Run(c, recompute: true, latentsAtOnce: 2);
    }

    private static void Run(ConformanceCase c, bool recompute, int? latentsAtOnce)
    {
        using DisposeScope scope = NewDisposeScope();
        using var vae = new WanVae(WanVaeConfig.FromJson(c.Config), CaseDevice.Placement);
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        KeyMap keys = WanVaeKeys.CreateMap(vae.Config);
        Check(c, vae, ["pixels", "z", "latents"], inputs => Outputs(c, vae, inputs, latentsAtOnce), keys);
    }

    private static Dictionary<string, Tensor> Outputs(ConformanceCase c, WanVae vae, Dictionary<string, Tensor> inputs, int? latentsAtOnce)
    {
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        if (inputs.TryGetValue("pixels", out Tensor? pixels))
        {
            (Tensor mean, Tensor logVariance) = vae.Encode(pixels, latentsAtOnce);
            (outputs["mean"], outputs["logvar"], outputs["latents"]) = (mean, logVariance, vae.Standardize(mean));
            if (c.Find("in.noise") is { } noise)
            {
                outputs["sample"] = GaussianPosterior.Sample(mean, logVariance, noise);
            }

            return outputs;
        }

        Tensor z = inputs.TryGetValue("latents", out Tensor? latents) ? vae.Destandardize(latents) : inputs["z"];
        outputs["decoded"] = c.Json.GetProperty("call").GetString() == "tiled-decode"
            ? vae.DecodeTiled(z, Tiling(c), latentsAtOnce)
            : vae.Decode(z, latentsAtOnce);
        if (c.Arguments.TryGetProperty("prefix", out System.Text.Json.JsonElement prefix))
        {
            outputs["prefix"] = vae.Decode(z.narrow(2, 0, prefix.GetInt64()), latentsAtOnce);
        }

        return outputs;
    }

    private static WanVaeTiling Tiling(ConformanceCase c) => new()
    {
        MinHeight = c.Arguments.GetProperty("tile_sample_min_height").GetInt64(),
        MinWidth = c.Arguments.GetProperty("tile_sample_min_width").GetInt64(),
        StrideHeight = c.Arguments.GetProperty("tile_sample_stride_height").GetInt64(),
        StrideWidth = c.Arguments.GetProperty("tile_sample_stride_width").GetInt64(),
    };
}
