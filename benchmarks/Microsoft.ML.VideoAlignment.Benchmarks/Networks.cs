using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Makes our networks at a size, with random weights: speed does not depend on them, as long as they keep numbers in range.</summary>
internal static class Networks
{
    public static ModelScopeUNet UNet(ModelSize size) => Filled(new ModelScopeUNet(size.UNet, BenchmarkDevice.Placement));

    public static AutoencoderKL Vae(ModelSize size) => Filled(new AutoencoderKL(size.Vae, BenchmarkDevice.Placement));

    /// <summary>Attaches adapters to the layers of the reference's graph: to_q, to_k, to_v, to_out.0.</summary>
    /// <param name="network">The denoiser.</param>
    /// <param name="size">The size.</param>
    public static LoraAdapters Adapters(nn.Module network, ModelSize size)
    {
        using var generator = new Generator(3);
        return LoraAdapters.Attach(network, LoraVocabulary.Diffusers.AttentionQkvOut, size.LoraRank, size.LoraRank, generator);
    }

    public static Tensor Noise(ulong seed, params long[] shape)
    {
        using var generator = new Generator(seed);
        return BenchmarkDevice.Move(randn(shape, generator: generator));
    }

    /// <summary>Makes the latents of a guided batch, [2, c, T, h, w].</summary>
    /// <param name="size">The size.</param>
    public static Tensor Latents(ModelSize size) => Noise(1, [2, .. size.Latents[1..]]);

    /// <summary>Makes the text states of both branches, [2, L, D].</summary>
    /// <param name="size">The size.</param>
    public static Tensor Text(ModelSize size) => Noise(2, 2, size.Tokens, size.UNet.CrossAttentionWidth);

    /// <summary>Fills every parameter: products keep their input's scale, norms are the identity.</summary>
    /// <typeparam name="T">The network's class.</typeparam>
    /// <param name="network">The network.</param>
    /// <returns>The same network.</returns>
    public static T Filled<T>(T network)
        where T : nn.Module
    {
        using IDisposable guard = no_grad();
        using var generator = new Generator(4);
        double inputs = 1;
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in network.named_parameters())
        {
            using DisposeScope scope = NewDisposeScope();
            if (parameter.dtype == ScalarType.Int8)
            {
                // Uniform in -127..127, whose standard deviation is 73; the scale comes next.
                inputs = (double)parameter.numel() / parameter.shape[0];
                parameter.copy_(randint(-127, 128, parameter.shape, dtype: ScalarType.Int8, generator: generator));
                continue;
            }

            if (name.EndsWith(ChannelQuantization.ScaleSuffix, StringComparison.Ordinal))
            {
                parameter.copy_(full(parameter.shape, 1 / (73 * Math.Sqrt(inputs))));
                continue;
            }

            bool scale = parameter.dim() == 1 && name.EndsWith("weight", StringComparison.Ordinal);
            double fan = parameter.dim() > 1 ? parameter.numel() / parameter.shape[0] : 1;
            parameter.copy_(scale ? ones(parameter.shape) : randn(parameter.shape, generator: generator) / (parameter.dim() > 1 ? Math.Sqrt(fan) : 50));
        }

        return network;
    }
}
