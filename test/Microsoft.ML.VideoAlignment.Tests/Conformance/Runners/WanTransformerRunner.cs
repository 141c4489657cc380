using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S19: the denoiser of Wan, with all activations kept and with blocks recomputed.</summary>
public sealed class WanTransformerRunner() : NetworkRunner("S19-wan", s_kinds)
{
    private static readonly Dictionary<string, Action<ConformanceCase>> s_kinds = new(StringComparer.Ordinal)
    {
        ["diffusers.WanTransformer3DModel"] = Network,
    };

    private static void Network(ConformanceCase c)
    {
        foreach (ActivationMemory memory in new[] { ActivationMemory.Keep, ActivationMemory.Recompute })
        {
            using var network = new WanTransformer(WanTransformerConfig.FromJson(c.Config), CaseDevice.Placement);
            using IDisposable blocks = Recompute.BeginScope(memory);
            Check(c, network, ["hidden_states", "encoder_hidden_states", "encoder_hidden_states_image"], inputs => new()
            {
                ["sample"] = network.Forward(
                    inputs["hidden_states"], c["in.timestep"], inputs["encoder_hidden_states"], inputs.GetValueOrDefault("encoder_hidden_states_image")),
            }, WanTransformerKeys.Map);
        }
    }
}
