using BenchmarkDotNet.Attributes;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>What does our convolution layout give over torch's own, on the shapes of the middle-size denoiser?</summary>
public class ConvolutionLayout
{
    private Tensor _images = null!;
    private Tensor _packed = null!;
    private Tensor _clips = null!;
    private Conv2d _spatial = null!;
    private TemporalConv3d _temporal = null!;
    private Tensor _plainWeight = null!;
    private Tensor _temporalWeight = null!;

    /// <summary>Channels at the level's size.</summary>
    [Params(64, 128, 256)]
    public int Channels { get; set; } = 64;

    [GlobalSetup]
    public void Setup()
    {
        long side = 24L * 64 / Channels;
        _images = Networks.Noise(1, 32, Channels, side, side);
        _packed = MemoryLayout.ChannelsLast(_images).DetachFromDisposeScope();
        _clips = Networks.Noise(2, 2, Channels, 16, side * side);
        _spatial = new Conv2d(Channels, Channels, 3, BenchmarkDevice.Placement, padding: 1);
        _temporal = new TemporalConv3d(Channels, Channels, 3, BenchmarkDevice.Placement);
        using IDisposable guard = no_grad();
        foreach (TorchSharp.Modules.Parameter parameter in _spatial.parameters().Concat(_temporal.parameters()))
        {
            parameter.fill_(0.01);
        }

        _plainWeight = _spatial.Weight.contiguous().DetachFromDisposeScope();
        _temporalWeight = _temporal.Weight.contiguous().DetachFromDisposeScope();
    }

    [Benchmark(Baseline = true)]
    public void SpatialTorch() => Run(() => nn.functional.conv2d(_images, _plainWeight, padding: [1, 1]));

    [Benchmark]
    public void SpatialOurs() => Run(() => _spatial.forward(_packed));

    [Benchmark]
    public void TemporalTorch() => Run(() => nn.functional.conv3d(_clips.unsqueeze(-1), _temporalWeight, padding: [1, 0, 0]));

    [Benchmark]
    public void TemporalOurs() => Run(() => _temporal.forward(_clips));

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (IDisposable part in new IDisposable[] { _images, _packed, _clips, _spatial, _temporal, _plainWeight, _temporalWeight })
        {
            part.Dispose();
        }
    }

    private static void Run(Func<Tensor> forward)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        forward();
        BenchmarkDevice.Synchronize();
    }
}
