using BenchmarkDotNet.Attributes;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>What does filling the denoiser from a safetensors file cost, from construction to the last checked key?</summary>
public class WeightsLoad
{
    private string _file = "";

    /// <summary>The name of the size: "embedded" or "middle".</summary>
    [Params("embedded", "middle")]
    public string Size { get; set; } = "middle";

    [GlobalSetup]
    public void Setup()
    {
        _file = Path.Combine(Path.GetTempPath(), $"weights-load-{Environment.ProcessId}.safetensors");
        using ModelScopeUNet unet = Networks.UNet(ModelSize.ByName(Size));
        SafetensorsWriter.Write(_file, unet.state_dict());
    }

    [Benchmark]
    public void Load()
    {
        using var source = new SafetensorsFile(_file);
        using var unet = new ModelScopeUNet(ModelSize.ByName(Size).UNet, BenchmarkDevice.Placement);
        WeightLoader.Load(unet, source);
        BenchmarkDevice.Synchronize();
    }

    [GlobalCleanup]
    public void Cleanup() => File.Delete(_file);
}
