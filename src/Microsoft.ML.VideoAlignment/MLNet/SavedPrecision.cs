using System.Text.Json.Serialization;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>What the run of a transformer computed in, as settings.json keeps it.</summary>
internal sealed record SavedPrecision
{
    private const string Cpu = "cpu", Cuda = "cuda";

    /// <inheritdoc cref="RunPrecision.Denoiser"/>
    [JsonConverter(typeof(JsonStringEnumConverter<ComputePrecision>))]
    public required ComputePrecision Denoiser { get; init; }

    /// <inheritdoc cref="RunPrecision.Decoder"/>
    [JsonConverter(typeof(JsonStringEnumConverter<ComputePrecision>))]
    public required ComputePrecision Decoder { get; init; }

    /// <inheritdoc cref="RunPrecision.Reward"/>
    [JsonConverter(typeof(JsonStringEnumConverter<ComputePrecision>))]
    public required ComputePrecision Reward { get; init; }

    /// <summary>Where the run was: "cpu" or "cuda".</summary>
    public required string Device { get; init; }

    /// <summary>Keeps the precision of a run.</summary>
    /// <param name="precision">What it computed in.</param>
    /// <param name="device">The kind of device that it was on.</param>
    public static SavedPrecision Create(RunPrecision precision, DeviceType device) => new()
    {
        Denoiser = precision.Denoiser,
        Decoder = precision.Decoder,
        Reward = precision.Reward,
        Device = device == DeviceType.CPU ? Cpu : Cuda,
    };

    /// <summary>Finds what is wrong with values that a file gave.</summary>
    /// <returns>Part of a sentence; null: they are valid.</returns>
    public string? Fault()
    {
        foreach (ComputePrecision part in (ComputePrecision[])[Denoiser, Decoder, Reward])
        {
            if (!Enum.IsDefined(part))
            {
                return $"the precision {(int)part} is not one of {string.Join(", ", Enum.GetNames<ComputePrecision>())}";
            }
        }

        return Device is Cpu or Cuda ? null : $"the device of the precision must be '{Cpu}' or '{Cuda}', got '{Quotation.Shorten(Device)}'";
    }

    /// <summary>
    /// Gets what to compute in on a device: what the run computed in, but float32 on a CPU for what a GPU computed in half precision, and on a GPU that is
    /// known to lack bfloat16 for that.
    /// </summary>
    /// <param name="device">The device.</param>
    public RunPrecision ResolveOn(IComputeDevice device)
    {
        return new RunPrecision(Resolve(Denoiser), Resolve(Decoder), Resolve(Reward));

        ComputePrecision Resolve(ComputePrecision part) => Keeps(part, device) ? part : ComputePrecision.Float32;
    }

    /// <summary>Says what a device computes otherwise than the run did.</summary>
    /// <param name="device">The device.</param>
    /// <returns>A sentence of this library's words alone; null: nothing.</returns>
    public string? ExplainChange(IComputeDevice device)
    {
        var run = new RunPrecision(Denoiser, Decoder, Reward);
        RunPrecision here = ResolveOn(device);
        string from = Device == Cpu ? "a CPU" : "a GPU", to = device.Type == DeviceType.CPU ? "the CPU" : "this GPU, which lacks the type,";
        return here == run ? null : $"The alignment was trained in {run} on {from}; on {to} its videos are computed in {here}.";
    }

    private bool Keeps(ComputePrecision part, IComputeDevice device) => device.Type == DeviceType.CPU
        ? Device == Cpu
        : part != ComputePrecision.BFloat16 || device.ComputeCapability is null || ComputeDevice.HasBFloat16(device);
}
