using BenchmarkDotNet.Attributes;
using Microsoft.ML.VideoAlignment.Models;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>What does decoding one frame cost, alone and with the gradient back to its latents?</summary>
public class VaeDecode : BenchmarkBase
{
    private AutoencoderKL _vae = null!;
    private Tensor _latents = null!;
    private Peer? _peer;

    [GlobalSetup]
    public override void Setup()
    {
        var size = ModelSize.ByName(Size);
        _vae = Networks.Vae(size);
        _latents = Networks.Noise(1, 1, size.Latents[1], size.Latents[3], size.Latents[4]);
        _peer = size == ModelSize.Middle ? Peer.Load(Peer.VaeDecode) : null;
    }

    [Benchmark]
    public override void Ours() => Plain(_vae.Decode);

    [Benchmark(Baseline = true)]
    public override void Reference() => Plain(latents => _peer!.Run(latents));

    [Benchmark]
    public void OursBackward() => WithGradient(_vae.Decode);

    [Benchmark]
    public void ReferenceBackward() => WithGradient(latents => _peer!.Run(latents));

    [GlobalCleanup]
    public override void Cleanup()
    {
        _peer?.Dispose();
        _vae.Dispose();
        _latents.Dispose();
    }

    private void Plain(Func<Tensor, Tensor> decode)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        decode(_latents);
        BenchmarkDevice.Synchronize();
    }

    private void WithGradient(Func<Tensor, Tensor> decode)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor latents = _latents.clone().requires_grad_(true);
        decode(latents).mean().backward();
        BenchmarkDevice.Synchronize();
    }
}
