using BenchmarkDotNet.Attributes;
using Microsoft.ML.VideoAlignment.Models.ModelScope;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>What does one gradient-free denoising step cost (guidance: batch 2)?</summary>
public class DenoiseStep : BenchmarkBase
{
    private ModelScopeUNet _unet = null!;
    private Tensor _latents = null!;
    private Tensor _text = null!;
    private Tensor _timestep = null!;
    private Peer? _peer;

    [GlobalSetup]
    public override void Setup()
    {
        var size = ModelSize.ByName(Size);
        _unet = Networks.UNet(size);
        (_latents, _text) = (Networks.Latents(size), Networks.Text(size));
        _timestep = BenchmarkDevice.Move(tensor(500L));
        _peer = size == ModelSize.Middle ? Peer.Load(Peer.UNet) : null;
    }

    [Benchmark]
    public override void Ours()
    {
        using IDisposable guard = no_grad();
        using Tensor y = _unet.Forward(_latents, 500, _text);
        BenchmarkDevice.Synchronize();
    }

    [Benchmark(Baseline = true)]
    public override void Reference()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        _peer!.Run(_latents, _timestep, _text);
        BenchmarkDevice.Synchronize();
    }

    [GlobalCleanup]
    public override void Cleanup()
    {
        _peer?.Dispose();
        _unet.Dispose();
        _latents.Dispose();
        _text.Dispose();
        _timestep.Dispose();
    }
}
