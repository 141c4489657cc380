using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S10: rectified flow on the suite's network without weights, and the tables and texts that decide sizes and masks.</summary>
public sealed class OpenSoraFlowRunner() : NetworkRunner("S10-opensora", s_kinds)
{
    private static readonly Dictionary<string, Action<ConformanceCase>> s_kinds = new(StringComparer.Ordinal)
    {
        ["opensora.RFLOW.timesteps"] = Timesteps,
        ["opensora.RFLOW.sample"] = Sample,
        ["opensora.RFLOW.training_losses"] = TrainingLosses,
        ["opensora.apply-mask-strategy"] = Masks,
        ["opensora.sizes"] = Sizes,
    };

    private static void Timesteps(ConformanceCase c)
    {
        RectifiedFlow flow = RectifiedFlow.FromConfig(c.Config);
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (int steps in c.Arguments.GetProperty("num_sampling_steps").EnumerateArray().Select(count => count.GetInt32()))
        {
            ISampler[] samplers = [.. Enumerable.Range(0, (int)c["in.height"].shape[0]).Select(row => Sampler(c, flow, steps, row))];
            outputs[$"timesteps.{steps}"] = stack(samplers.Select(sampler => tensor(sampler.Timesteps.ToArray())), dim: 1);
            outputs[$"dt.{steps}"] = stack(samplers.Select(sampler => tensor(Enumerable.Range(0, steps).Select(sampler.Sensitivity).ToArray())), dim: 1);
        }

        c.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor>());
    }

    private static void Sample(ConformanceCase c)
    {
        RectifiedFlow flow = RectifiedFlow.FromConfig(c.Config);
        Tensor? frameMask = c.Find("in.frame_mask");
        int steps = c.Config.GetProperty("num_sampling_steps").GetInt32();
        ISampler sampler = Sampler(c, flow, steps, row: 0, frameMask);
        double scale = c.Arguments.GetProperty("guidance_scale").GetDouble();
        Dictionary<string, Tensor> inputs = c.Inputs("z", "y", "y_null");
        long batch = inputs["z"].shape[0];
        List<Tensor> seen = [], masks = [];
        Tensor Predict(Tensor z, double timestep)
        {
            Tensor? active = frameMask is null ? null : RectifiedFlowSampler.ActiveFrames(frameMask, timestep, flow.TrainTimesteps);
            seen.Add(z.detach().clone().DetachFromDisposeScope());
            masks.Add(active?.DetachFromDisposeScope() ?? zeros(0));
            Tensor conditional = Velocity(z, Times(batch, timestep), inputs["y"], c["in.mask"], active);
            if (!inputs.TryGetValue("y_null", out Tensor? without))
            {
                return conditional;
            }

            Tensor unconditional = Velocity(z, Times(batch, timestep), without, c["in.mask"], active);
            return unconditional + (scale * (conditional - unconditional));
        }

        Tensor final = Denoising.Run(sampler, inputs["z"], Predict, GradientPlan.Suffix(steps, start: 0), step => c["in.noise"][step]);
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            ["sample"] = final,
            ["network_input"] = stack(seen),
            ["timesteps"] = tensor(sampler.Timesteps.ToArray()).unsqueeze(1).expand(-1, batch),
        };
        if (frameMask is not null)
        {
            outputs["x_mask"] = stack(masks);
        }

        c.CheckOutputsAndGradients(outputs, inputs);
    }

    private static void TrainingLosses(ConformanceCase c)
    {
        RectifiedFlow flow = RectifiedFlow.FromConfig(c.Config);
        var inputs = new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["x_start"] = c.Input("x_start"), ["y"] = c.Input("y") };
        Tensor? frameMask = c.Find("in.frame_mask");
        Tensor shown = flow.TrainingInput(inputs["x_start"], c["in.noise"], c["in.t"], frameMask);
        Tensor velocity = Velocity(shown, c["in.t"], inputs["y"], c["in.mask"], active: null);
        c.CheckOutputsAndGradients(
            new Dictionary<string, Tensor>(StringComparer.Ordinal)
            {
                ["add_noise"] = flow.AddNoise(inputs["x_start"], c["in.noise"], c["in.t"]),
                ["loss"] = RectifiedFlow.Loss(velocity, inputs["x_start"], c["in.noise"], frameMask),
            },
            inputs);
    }

    private static void Masks(ConformanceCase c)
    {
        string[] strategies = [.. c.Arguments.GetProperty("mask_strategy").EnumerateArray().Select(text => text.GetString()!)];
        List<Tensor>[] references = [.. strategies.Select((_, row) => c.Names($"in.reference.{row}.")
            .OrderBy(name => int.Parse(name[(name.LastIndexOf('.') + 1)..], System.Globalization.CultureInfo.InvariantCulture)).Select(name => c[name])
            .ToList())];
        Tensor before = c["in.z"].clone();
        (Tensor z, Tensor mask) = MaskStrategy.Apply(
            c["in.z"], references, strategies, c.Arguments.GetProperty("loop").GetInt32(), (int?)ConfigJson.Find(c.Arguments, "align")?.GetInt64());
        Assert.That(c["in.z"].equal(before).all().item<bool>(), "the input is left as it is");
        c.CheckOutputsAndGradients(new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["z"] = z, ["frame_mask"] = mask },
            new Dictionary<string, Tensor>());
    }

    private static void Sizes(ConformanceCase c)
    {
        foreach (JsonProperty resolution in c.Arguments.GetProperty("image_size").EnumerateObject())
        {
            foreach (JsonProperty ratio in resolution.Value.EnumerateObject())
            {
                if (ratio.Value.ValueKind == JsonValueKind.Null)
                {
                    Assert.That(() => OpenSoraSizes.ImageSize(resolution.Name, ratio.Name), Throws.ArgumentException.With.Message.Contains(resolution.Name));
                }
                else
                {
                    Assert.That(OpenSoraSizes.ImageSize(resolution.Name, ratio.Name), Is.EqualTo((ratio.Value[0].GetInt32(), ratio.Value[1].GetInt32())),
                        $"{resolution.Name} {ratio.Name}");
                }
            }
        }

        foreach (JsonProperty length in c.Arguments.GetProperty("num_frames").EnumerateObject())
        {
            Assert.That(OpenSoraSizes.FrameCount(length.Name), Is.EqualTo(length.Value.GetInt32()), length.Name);
        }

        foreach (JsonProperty resolution in c.Arguments.GetProperty("num_pixels").EnumerateObject())
        {
            Assert.That(OpenSoraSizes.PixelCount(resolution.Name), Is.EqualTo(resolution.Value.GetInt32()), resolution.Name);
        }

        Assert.That(c.Arguments.GetProperty("image_fps").GetDouble(), Is.EqualTo(OpenSoraSizes.ImageFramesPerSecond));
    }

    private static ISampler Sampler(ConformanceCase c, RectifiedFlow flow, int steps, int row, Tensor? frameMask = null) =>
        flow.CreateSampler(steps, (int)c["in.num_frames"][row].item<float>(), c["in.height"][row].item<float>(), c["in.width"][row].item<float>(), frameMask);

    /// <summary>The suite's network without weights, its first half of channels. t: [B]; text: [B, 1, L, E]; mask: [B, L].</summary>
    private static Tensor Velocity(Tensor z, Tensor t, Tensor text, Tensor mask, Tensor? active)
    {
        Tensor weights = mask.ne(0).to_type(ScalarType.Float32);
        Tensor told = (text.squeeze(1) * weights.unsqueeze(-1)).sum([1, 2]) / (weights.sum([1]) * text.shape[3]);
        Tensor PerSample(Tensor values) => values.view(-1, 1, 1, 1, 1);
        Tensor v = (0.3 * z * PerSample((t / 500).cos())) + (0.4 * z.roll(1, 4)) + PerSample(told);
        return active is null ? v : where(active.ne(0).view(z.shape[0], 1, -1, 1, 1), v, v * 0.5);
    }

    private static Tensor Times(long batch, double timestep) => ones(batch, device: CaseDevice.Device) * timestep;
}
