using Microsoft.ML.VideoAlignment.Autoencoders;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S07: the picture autoencoder.</summary>
public sealed class AutoencoderKLRunner : IConformanceRunner
{
    public string Suite => "S07-vae-kl";

    public IReadOnlyCollection<string> Kinds => ["diffusers.AutoencoderKL"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        using var vae = new AutoencoderKL(AutoencoderKLConfig.FromJson(testCase.Config), Placement.Cpu);
        string prefix = testCase.Json.GetProperty("weights")[0].GetProperty("prefix").GetString()!;
        using (IWeightSource file = WeightFile.Open(testCase.PathOf(testCase.Json.GetProperty("weights")[0].GetProperty("file").GetString()!)))
        {
            WeightLoader.Load(vae, file, prefix, AutoencoderKL.Keys);
        }

        Dictionary<string, Tensor> parameters = vae.state_dict();
        testCase.RequireParameterGradients(key => parameters[key]);
        var inputs = new Dictionary<string, Tensor> { ["pixels"] = testCase.Input("pixels"), ["latents"] = testCase.Input("latents") };
        (Tensor mean, Tensor logVariance) = vae.Encode(inputs["pixels"]);
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor>
            {
                ["mean"] = mean,
                ["logvar"] = logVariance,
                ["latents"] = vae.Sample(mean, logVariance, testCase["in.noise"]),
                ["decoded"] = vae.Decode(inputs["latents"]),
            },
            inputs,
            key => parameters[key]);
    }
}
