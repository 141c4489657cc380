using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A model whose parts can be replaced by faulty ones; whatever is not replaced is the inner model's.</summary>
internal sealed class FaultyModel(VideoDiffusionModel inner)
{
    /// <summary>Makes a prediction: (latents, timestep, condition).</summary>
    public Func<Tensor, double, Condition, Tensor>? Predicting { get; init; }

    /// <summary>Changes the latents that are decoded.</summary>
    public Func<Tensor, Tensor>? Decoding { get; init; }

    /// <summary>Changes the sampler.</summary>
    public Func<ISampler, ISampler>? Sampling { get; init; }

    public static implicit operator VideoDiffusionModel(FaultyModel model) => model.Create();

    private VideoDiffusionModel Create() => new(inner.Parts with
    {
        Denoiser = Predicting is null ? inner.Parts.Denoiser : new FaultyDenoiser(inner.Parts.Denoiser, Predicting),
        Decoder = Decoding is null ? inner.Parts.Decoder : new FaultyDecoder(inner.Parts.Decoder, Decoding),
        Samplers = Sampling is null ? inner.Parts.Samplers : new FaultySamplers(inner.Parts.Samplers, Sampling),
    });

    private sealed class FaultyDenoiser(IDenoiser inner, Func<Tensor, double, Condition, Tensor> predict) : IDenoiser
    {
        public string Name => inner.Name;

        public nn.Module Network => inner.Network;

        public long[] LatentShape(int batch, VideoSize size) => inner.LatentShape(batch, size);

        public Tensor Predict(Tensor latents, double timestep, Condition condition) => predict(latents, timestep, condition);

        public Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition) =>
            RowPrediction.Predict(this, latents, timesteps, condition);

        public IDenoiser OnMeta() => inner.OnMeta();

        public void MoveTo(Device device) => inner.MoveTo(device);

        public void Dispose() => inner.Dispose();
    }

    private sealed class FaultyDecoder(IFrameDecoder inner, Func<Tensor, Tensor> change) : IFrameDecoder
    {
        public nn.Module Network => inner.Network;

        public int ChunkFrames => inner.ChunkFrames;

        public Tensor Decode(Tensor latents, int frames, IReadOnlyList<int>? chosen = null) => inner.Decode(change(latents), frames, chosen);

        public Tensor DecodeAlone(Tensor latents, IReadOnlyList<int> chosen) => inner.DecodeAlone(change(latents), chosen);

        public IFrameDecoder OnMeta() => inner.OnMeta();

        public void MoveTo(Device device) => inner.MoveTo(device);

        public void Dispose() => inner.Dispose();
    }

    private sealed class FaultySamplers(ISamplerFactory inner, Func<ISampler, ISampler> change) : ISamplerFactory
    {
        public IScheduler Scheduler => inner.Scheduler;

        public IPolicyScheduler? PolicyScheduler => inner.PolicyScheduler;

        public IScheduler Swap(string className) => inner.Swap(className);

        public ISampler CreateSampler(SamplingSettings settings) => change(inner.CreateSampler(settings));
    }
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
