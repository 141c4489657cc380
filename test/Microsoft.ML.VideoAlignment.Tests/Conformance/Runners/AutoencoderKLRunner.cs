using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S07: the image autoencoder.</summary>
public sealed class AutoencoderKLRunner : IConformanceRunner
{
    public string Suite => "S07-vae-kl";

    public IReadOnlyCollection<string> Kinds => ["diffusers.AutoencoderKL"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        Run(testCase, tileBytes: null);
        Run(testCase, tileBytes: 1);
    }

    private static void Run(ConformanceCase testCase, long? tileBytes)
    {
        using IDisposable memory = Recompute.BeginScope(tileBytes is null ? ActivationMemory.Keep : ActivationMemory.Recompute, tileBytes: tileBytes);
        using var vae = new AutoencoderKL(AutoencoderKLConfig.FromJson(testCase.Config), CaseDevice.Placement);
        string prefix = testCase.Json.GetProperty("weights")[0].GetProperty("prefix").GetString()!;
        using (IWeightSource file = WeightFile.Open(testCase.PathOf(testCase.Json.GetProperty("weights")[0].GetProperty("file").GetString()!)))
        {
            WeightLoader.Load(vae, file, prefix, AutoencoderKL.Keys);
        }

        Dictionary<string, Tensor> parameters = vae.state_dict();
        testCase.RequireParameterGradients(key => parameters[key]);
        Dictionary<string, Tensor> inputs = testCase.Inputs("pixels", "latents");
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        if (inputs.TryGetValue("pixels", out Tensor? pixels))
        {
            (Tensor mean, Tensor logVariance) = vae.Encode(pixels);
            (outputs["mean"], outputs["logvar"]) = (mean, logVariance);
            if (testCase.Find("in.noise") is { } noise)
            {
                outputs["latents"] = vae.Sample(mean, logVariance, noise);
            }
        }

        if (inputs.TryGetValue("latents", out Tensor? latents))
        {
            outputs["decoded"] = vae.Decode(latents);
        }

        testCase.CheckOutputsAndGradients(outputs, inputs, key => parameters[key]);
    }
}
