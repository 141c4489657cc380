using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Makes a ModelScope model of any size with random weights, for the trainer to work on.</summary>
internal static class SizedModel
{
    internal static JsonElement Scheduler { get; } = JsonSerializer.SerializeToElement(new Dictionary<string, object>
    {
        ["_class_name"] = "DDIMScheduler",
        ["beta_start"] = 0.00085,
        ["beta_end"] = 0.012,
        ["beta_schedule"] = "scaled_linear",
        ["num_train_timesteps"] = 1000,
        ["clip_sample"] = false,
        ["set_alpha_to_one"] = true,
        ["timestep_spacing"] = "trailing",
    });

    public static VideoDiffusionModel Make(ModelSize size) =>
        new(ModelScopeModel.FromNetworks(size.Name, new RandomStates(size), Networks.UNet(size), Networks.Vae(size), Scheduler, BenchmarkDevice.Placement));

    /// <summary>Encoding a prompt is done once and costs nothing beside the rest, so its states are random.</summary>
    private sealed class RandomStates(ModelSize size) : IPromptEncoder
    {
        public nn.Module Network { get; } = nn.Identity();

        public Tensor Tokens(IReadOnlyList<string> prompts) => throw new NotSupportedException("random text states have no tokens");

        public Tensor Encode(IReadOnlyList<string> prompts)
        {
            using var generator = new Generator(5);
            return DeviceTable.Upload(randn([prompts.Count, size.Tokens, size.UNet.CrossAttentionWidth], generator: generator), BenchmarkDevice.Current);
        }

        public int CountTruncated(string prompt) => 0;

        public void MoveTo(Device device) => Network.to(device);

        public void Dispose() => Network.Dispose();
    }
}
