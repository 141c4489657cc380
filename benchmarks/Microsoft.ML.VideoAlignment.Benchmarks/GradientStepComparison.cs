using BenchmarkDotNet.Attributes;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>What does a denoising step with gradient cost: forward, and backward into LoRA on the attention layers?</summary>
public class GradientStepComparison : BenchmarkBase
{
    private ModelScopeUNet _unet = null!;
    private LoraAdapters _adapters = null!;
    private Tensor _latents = null!;
    private Tensor _text = null!;
    private Tensor _timestep = null!;
    private Peer? _peer;

    [GlobalSetup]
    public override void Setup()
    {
        var size = ModelSize.ByName(Size);
        _unet = Networks.UNet(size);
        _adapters = Networks.Adapters(_unet, size);
        (_latents, _text) = (Networks.Latents(size), Networks.Text(size));
        _timestep = BenchmarkDevice.Move(tensor(500L));
        _peer = size == ModelSize.Middle ? Peer.Load(Peer.UNetWithLora) : null;
    }

    [Benchmark]
    public override void Ours() => Run(recompute: false);

    /// <summary>Blocks keep only their inputs: about a third more work, much less memory.</summary>
    [Benchmark]
    public void OursRecomputed() => Run(recompute: true);

    [Benchmark(Baseline = true)]
    public override void Reference()
    {
        using DisposeScope scope = NewDisposeScope();
        _peer!.Run(_latents, _timestep, _text).mean().backward();
        foreach (Tensor parameter in _peer.Trainable)
        {
            parameter.grad?.zero_();
        }

        BenchmarkDevice.Synchronize();
    }

    [GlobalCleanup]
    public override void Cleanup()
    {
        _peer?.Dispose();
        _adapters.Dispose();
        _unet.Dispose();
        _latents.Dispose();
        _text.Dispose();
        _timestep.Dispose();
    }

    private void Run(bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        Recompute.Backward(_unet.Forward(_latents, 500, _text).mean());
        foreach (TorchSharp.Modules.Parameter parameter in _adapters.Parameters)
        {
            parameter.grad?.zero_();
        }

        BenchmarkDevice.Synchronize();
    }
}
