using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A model whose parts can be replaced by faulty ones; whatever is not replaced is the inner model's.</summary>
internal sealed class FaultyModel(VideoDiffusionModel inner) : VideoDiffusionModel
{
    /// <summary>Makes a prediction: (latents, timestep, condition).</summary>
    public Func<Tensor, double, Condition, Tensor>? Predicting { get; init; }

    public Func<Tensor, Tensor>? Decoding { get; init; }

    public Func<ISampler, ISampler>? Sampling { get; init; }

    public override string Family => inner.Family;

    public override string Source => inner.Source;

    public override string Hash => inner.Hash;

    public override VideoSize DefaultSize => inner.DefaultSize;

    public override int SizeMultiple => inner.SizeMultiple;

    internal override ActivationMemory Activations
    {
        get => inner.Activations;
        set => inner.Activations = value;
    }

    internal override IReadOnlyDictionary<string, nn.Module> Networks => inner.Networks;

    internal override SamplingDefaults DefaultSampling => inner.DefaultSampling;

    internal override nn.Module Denoiser => inner.Denoiser;

    internal override IScheduler Scheduler => inner.Scheduler;

    internal override Device Device => inner.Device;

    internal override IScheduler SwapScheduler(string className) => inner.SwapScheduler(className);

    internal override void MoveTo(Device device) => inner.MoveTo(device);

    internal override ISampler CreateSampler(SamplingSettings settings)
    {
        ISampler sampler = inner.CreateSampler(settings);
        return Sampling?.Invoke(sampler) ?? sampler;
    }

    internal override Condition Encode(VideoRequest request) => inner.Encode(request);

    internal override Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition>? encode = null) =>
        inner.EncodeUnconditional(request, conditional, encode);

    internal override bool GuidanceActs(double scale) => inner.GuidanceActs(scale);

    internal override int CountTruncated(string prompt, int segments) => inner.CountTruncated(prompt, segments);

    internal override long[] LatentShape(int batch, VideoSize size) => inner.LatentShape(batch, size);

    internal override Tensor Predict(Tensor latents, double timestep, Condition condition) =>
        Predicting?.Invoke(latents, timestep, condition) ?? inner.Predict(latents, timestep, condition);

    internal override Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null) =>
        inner.Decode(Decoding?.Invoke(latents) ?? latents, frames, chosen);
}

/// <summary>A sampler whose step sees another prediction.</summary>
internal sealed class FaultySampler(ISampler inner, Func<Tensor, Tensor> onPrediction) : ISampler
{
    public IReadOnlyList<double> Timesteps => inner.Timesteps;

    public double InitialNoiseSigma => inner.InitialNoiseSigma;

    public int HistoryLength => inner.HistoryLength;

    public bool NeedsNoise(int step) => inner.NeedsNoise(step);

    public double Sensitivity(int step) => inner.Sensitivity(step);

    public Tensor BeforeStep(int step, Tensor sample, Tensor? noise) => inner.BeforeStep(step, sample, noise);

    public Tensor ScaleInput(Tensor sample, int step) => inner.ScaleInput(sample, step);

    public SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise) =>
        inner.Step(step, sample, onPrediction(prediction), history, noise);
}

/// <summary>The identity, whose derivative is multiplied by a factor: right forward, wrong backward.</summary>
internal sealed class WrongSlope : autograd.SingleTensorFunction<WrongSlope>
{
    public override string Name => nameof(WrongSlope);

    public static Tensor Of(Tensor x, double slope) => x.requires_grad && is_grad_enabled() ? apply(x, slope) : x.alias();

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_data("slope", vars[1]);
        return ((Tensor)vars[0]).clone();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad) => [grad * (double)ctx.get_data("slope"), null!];
}
