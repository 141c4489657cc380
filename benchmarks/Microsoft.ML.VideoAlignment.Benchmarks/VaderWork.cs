using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// One VADER step, K = 1: T denoising steps, the last with gradient and recomputation, one frame decoded, a CLIP vision tower as reward, AdamW on LoRA.
/// </summary>
internal sealed class VaderWork : IDisposable
{
    private readonly VideoDiffusionModel _model;
    private readonly LoraAdapters _adapters;
    private readonly ClipVisionEncoder _vision;
    private readonly VideoReward _reward;
    private readonly RewardGradientTrainer _trainer;
    private readonly SamplingSettings _sampling;

    public VaderWork(ModelSize size, int denoisingSteps)
    {
        _model = SizedModel.Make(size);
        _adapters = Networks.Adapters(_model.Denoiser, size);
        _adapters.RequireGradient(true);
        ClipVisionConfig config = size == ModelSize.Middle
            ? new()
            {
                HiddenSize = 512,
                IntermediateSize = 2048,
                NumHiddenLayers = 8,
                NumAttentionHeads = 8,
                PatchSize = 32,
                ImageSize = 224,
                ProjectionDim = 512,
            }
            : new() { HiddenSize = 64, IntermediateSize = 256, NumHiddenLayers = 2, NumAttentionHeads = 4, PatchSize = 4, ImageSize = 32, ProjectionDim = 64 };
        _vision = Networks.Filled(new ClipVisionEncoder(config, withProjection: true, BenchmarkDevice.Placement));
        FramePreprocessing preprocessing = FramePreprocessing.ForClip((int)config.ImageSize);
        _reward = VideoRewards.Custom("vision", (frames, _) => _vision.forward(preprocessing.Apply(frames.permute(0, 2, 1, 3, 4).flatten(0, 1))).mean([1]));
        _sampling = new SamplingSettings { Size = size.Video, Steps = denoisingSteps, GuidanceScale = size.GuidanceScale };
        var run = new TrainingRun(_model, _reward)
        {
            Sampling = _sampling,
            Optimizer = new OptimizerOptions { Steps = 1 },
            Frames = RewardFrames.OneRandom,
            Loss = RewardLoss.Maximize(),
            Seed = 1,
        };
        _trainer = new RewardGradientTrainer(run, _adapters, new RewardGradientOptions { Window = GradientWindow.LastSteps(1) });
    }

    /// <summary>Makes one optimizer step.</summary>
    public void Step()
    {
        using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute);
        _trainer.Train(["a prompt"]);
    }

    /// <summary>Makes its T denoising steps alone, all without gradient, adapters merged; nothing is decoded.</summary>
    public void GradientFreeSteps()
    {
        using IDisposable mode = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor Noise(IReadOnlyList<long> shape) => DeviceTable.Upload(randn([.. shape], generator: generator), BenchmarkDevice.Current);
        VideoRequest request = _sampling.Request(["a prompt"], Noise);
        Condition condition = _model.Encode(request);
        using var guidance = new Guidance(_model, condition, _model.EncodeUnconditional(request, condition), _sampling);
        Tensor start = Noise(_model.LatentShape(1, _sampling.Size));
        Denoising.Run(_model.CreateSampler(_sampling), start, guidance.Predict, GradientPlan.None(_sampling.Steps), adapters: _adapters);
        BenchmarkDevice.Synchronize();
    }

    public void Dispose()
    {
        _trainer.Dispose();
        _reward.Dispose();
        _vision.Dispose();
        _adapters.Dispose();
        _model.Dispose();
    }
}
