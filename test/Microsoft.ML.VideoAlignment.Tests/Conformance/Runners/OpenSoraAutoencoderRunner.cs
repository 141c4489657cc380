using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S10: Open-Sora's autoencoder and the sizes of its latents.</summary>
public sealed class OpenSoraAutoencoderRunner : IConformanceRunner
{
    public string Suite => "S10-opensora";

    public IReadOnlyCollection<string> Kinds => ["opensora.VAE_Temporal", "opensora.VideoAutoencoderPipeline", "opensora.latent-size"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        switch (testCase.Kind)
        {
            case "opensora.VAE_Temporal":
                Temporal(testCase, recompute: false);
                Temporal(testCase, recompute: true);
                break;
            case "opensora.VideoAutoencoderPipeline":
                Whole(testCase, recompute: false);
                Whole(testCase, recompute: true);
                break;
            default:
                LatentSizes(testCase);
                break;
        }
    }

    private static void Temporal(ConformanceCase c, bool recompute)
    {
        // The case names no type: it is the general class.
        Dictionary<string, JsonElement> keys = c.Config.EnumerateObject().ToDictionary(key => key.Name, key => key.Value, StringComparer.Ordinal);
        keys.TryAdd("type", JsonSerializer.SerializeToElement("VAE_Temporal"));
        JsonElement config = JsonSerializer.SerializeToElement(keys);
        using var vae = new TemporalVae(TemporalVaeConfig.FromJson(config), CaseDevice.Placement);
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        Check(c, vae, KeyMap.Identity, inputs =>
        {
            var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
            if (inputs.TryGetValue("x", out Tensor? x))
            {
                (outputs["encode.mean"], outputs["encode.logvar"]) = vae.Encode(x);
            }

            if (inputs.TryGetValue("z", out Tensor? z))
            {
                outputs["decode"] = vae.Decode(z, Frames(c));
            }

            return outputs;
        });
    }

    private static void Whole(ConformanceCase c, bool recompute)
    {
        using var vae = new VideoAutoencoder(VideoAutoencoderConfig.FromJson(c.Config), CaseDevice.Placement);
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        if (ConfigJson.Find(c.Arguments, "latent_size") is not null)
        {
            Tensor pixels = c.Find("out.decode") ?? c["in.x"];
            (int frames, int height, int width) = vae.Config.LatentSize(Frames(c), (int)pixels.shape[3], (int)pixels.shape[4]);
            Assert.That(new long[] { frames, height, width }, Is.EqualTo(ConfigJson.Integers(c.Arguments, "latent_size")), "latent size");
        }

        Check(c, vae, VideoAutoencoder.Keys, inputs =>
        {
            var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
            if (inputs.TryGetValue("x", out Tensor? x))
            {
                outputs["encode"] = vae.Encode(x, c["in.noise.spatial"], c["in.noise.temporal"]);
            }

            if (inputs.TryGetValue("z", out Tensor? z))
            {
                outputs["decode"] = vae.Decode(z, Frames(c));
            }

            return outputs;
        });
    }

    private static void LatentSizes(ConformanceCase c)
    {
        int? chunk = (int?)ConfigJson.Find(c.Config, "micro_frame_size")?.GetInt64();
        int factor = 1 << c.Config.GetProperty("temporal_downsample").EnumerateArray().Count(halves => halves.GetBoolean());
        var config = new VideoAutoencoderConfig
        {
            ChunkFrames = chunk,
            Temporal = new TemporalVaeConfig
            {
                Halves = [.. c.Config.GetProperty("temporal_downsample").EnumerateArray()
                .Select(halves => halves.GetBoolean())]
            },
        };
        Assert.That(config.Temporal.TimeFactor, Is.EqualTo(factor));
        Assert.That(config.SpatialFactor, Is.EqualTo(ConfigJson.Integer(c.Config, "spatial_factor", 8)));
        long[] sizes = c["in.size"].cpu().data<long>().ToArray();
        long[] latents = [.. sizes.Chunk(3).Select(row => config.LatentSize((int)row[0], (int)row[1], (int)row[2]))
            .SelectMany(size => new long[] { size.Frames, size.Height, size.Width })];
        c.CheckOutput("latent", tensor(latents).view(-1, 3));
    }

    private static int Frames(ConformanceCase c) => c.Arguments.GetProperty("num_frames").GetInt32();

    private static void Check(ConformanceCase c, nn.Module module, KeyMap map, Func<Dictionary<string, Tensor>, Dictionary<string, Tensor>> run)
    {
        using (IWeightSource file = WeightFile.Open(c.PathOf(c.Json.GetProperty("weights")[0].GetProperty("file").GetString()!)))
        {
            WeightLoader.Load(module, file, c.Json.GetProperty("weights")[0].GetProperty("prefix").GetString()!, map);
        }

        Dictionary<string, Tensor> parameters = module.state_dict();
        c.RequireParameterGradients(key => parameters[key]);
        Dictionary<string, Tensor> inputs = c.Inputs("x", "z");
        c.CheckOutputsAndGradients(run(inputs), inputs, key => parameters[key]);
    }
}
