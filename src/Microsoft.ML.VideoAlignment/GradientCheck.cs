using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Proves a gradient: in float64, along random directions of the LoRA factors, the derivative that training back-propagates is compared with difference
/// quotients of the very loss that training computes.
/// </summary>
/// <remarks>For rewards and models of your own, at small sizes: each row of the report costs four to twelve forward runs.</remarks>
public static class GradientCheck
{
    /// <summary>Compares the gradient with difference quotients, under the options that a training run would have.</summary>
    /// <param name="model">A small model, on whatever device. Its networks are converted to float64 for the call and restored afterwards.</param>
    /// <param name="reward">
    /// A differentiable reward that can compute in float64: every reward of this library except TorchScript programs, and functions of your own that leave the
    /// frames' dtype alone. Its networks are converted like the model's.
    /// </param>
    /// <param name="options">
    /// Sizes, window, guidance, batch, accumulation, frames, loss, KL weight and LoRA as in training; what concerns the optimizer is not read. LoRA factors
    /// start at random, since with the upper ones at zero half of the gradient would be zero. Models that require images are given random ones, whether a
    /// column of images is named or not; models that may take images are given them where a column is named.
    /// </param>
    /// <param name="check">Directions, parts and tolerance; null: the defaults.</param>
    /// <returns>Every comparison; tests call <see cref="GradientCheckReport.ThrowIfFailed"/> on it.</returns>
    /// <exception cref="ArgumentException">Options are out of range, or do not fit the model or reward.</exception>
    /// <exception cref="RewardContractException">The reward is not differentiable, or does not compute in float64.</exception>
    public static GradientCheckReport Run(VideoDiffusionModel model, VideoReward reward, VideoAlignmentOptions options, GradientCheckOptions? check = null) =>
        Run(model, reward, options, check, fault: null);

    /// <inheritdoc cref="Run(VideoDiffusionModel, VideoReward, VideoAlignmentOptions, GradientCheckOptions?)"/>
    /// <param name="model">A small model.</param>
    /// <param name="reward">A differentiable reward that can compute in float64.</param>
    /// <param name="options">The options of training.</param>
    /// <param name="check">Directions, parts and tolerance; null: the defaults.</param>
    /// <param name="fault">A fault that is injected into the gradient, for tests; null: none.</param>
    internal static GradientCheckReport Run(
        VideoDiffusionModel model, VideoReward reward, VideoAlignmentOptions options, GradientCheckOptions? check, GradientFault? fault)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(reward);
        ArgumentNullException.ThrowIfNull(options);
        check ??= new GradientCheckOptions();
        check.Validate();
        options = options.WithImageColumn(model);
        options.ValidateFor(model);
        reward.RequireAlive();
        if (!reward.Contract.IsDifferentiable)
        {
            throw new RewardContractException($"Reward '{reward.Name}' declares that it is not differentiable: there is no gradient to check.");
        }

        if (options.Algorithm.Definition is not RewardGradientAlgorithm { Options: var gradient })
        {
            throw new ArgumentException(
                $"{nameof(options.Algorithm)} must be {nameof(AlignmentAlgorithm.RewardGradient)}, whose gradient this is a proof of, got {options.Algorithm}.",
                nameof(options));
        }

        return AdapterHost.ForModel(model).RunDetached(() => Compare(model, reward, options, gradient, check, fault));
    }

    private static GradientCheckReport Compare(
        VideoDiffusionModel model, VideoReward reward, VideoAlignmentOptions options, RewardGradientOptions gradient, GradientCheckOptions check,
        GradientFault? fault)
    {
        using IDisposable used = RewardDevices.Use(reward, model.Device, alone: true);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable mode = enable_grad();
        using IDisposable context = RunContext.Begin(model.Device.type);
        using var exact = new Float64([.. model.Networks.Values, .. reward.Networks]);
        using LoraAdapters adapters = Adapters(model, options, check.Seed);
        IReadOnlyList<VideoPrompt> prompts = Prompts(model, options, check);
        RequirePrecision(model, reward, options, prompts);
        MemoryOptions wide = options.Memory with
        {
            Precision = ComputePrecision.Float32,
            DecoderPrecision = ComputePrecision.Float32,
            RewardPrecision = ComputePrecision.Float32,
        };
        var setup = new ProofSetup(TrainingRunFactory.Create(model, reward, options with { Memory = wide }, check.Seed, []), gradient);
        using IDisposable memory = options.Memory.BeginScope();
        using RewardGradientTrainer trainer = setup.CreateTrainer(adapters);
        using RewardGradientTrainer? faulty = fault?.Setup is { } change ? change(setup).CreateTrainer(adapters) : null;
        GradientCheckReport report = new GradientProof(trainer, faulty ?? trainer, adapters, setup, prompts, check, fault).Run();
        return check.Invariants
            ? report with { Rows = [.. report.Rows, .. Invariants(setup, adapters, prompts, check.Seed)] }
            : report;
    }

    private static IEnumerable<GradientCheckRow> Invariants(ProofSetup setup, LoraAdapters adapters, IReadOnlyList<VideoPrompt> prompts, int seed) =>
        new GradientInvariants(setup.WithAccumulation(1), adapters, prompts, unchecked((ulong)seed)).Compare();

    /// <summary>The factor on the upper factors that makes the adapters' delta about a third of the weights' size.</summary>
    private const double AdapterSize = 0.5;

    private static LoraAdapters Adapters(VideoDiffusionModel model, VideoAlignmentOptions options, int seed)
    {
        using var generator = new Generator(unchecked((ulong)seed));
        LoraAdapters adapters =
            LoraAdapters.Attach(model.Denoiser, options.Lora.TargetsFor(model.LoraVocabulary), options.Lora.Rank, options.Lora.Alpha, generator);
        using IDisposable guard = no_grad();
        foreach (AdaptedLayer layer in adapters.Layers)
        {
            using Tensor drawn = randn(layer.Adapter.Up.shape, dtype: ScalarType.Float64, generator: generator);
            using Tensor up = drawn.Mul(AdapterSize / (layer.Adapter.Scale * Math.Sqrt(layer.Adapter.Rank)));
            layer.Adapter.Up.copy_(up);
        }

        return adapters;
    }

    // Each prompt with an image of soft colors where the model reads images.
    private static VideoPrompt[] Prompts(VideoDiffusionModel model, VideoAlignmentOptions options, GradientCheckOptions check)
    {
        VideoSize size = options.Sampling.ResolveSize(model);
        return [.. check.Prompts.Select((prompt, row) => new VideoPrompt(prompt, options.Sampling.ImageColumnName is null ? null : () => Image(row)))];

        Tensor Image(int row)
        {
            using var generator = new Generator(unchecked((ulong)(check.Seed + row)));
            using Tensor drawn = rand([3, size.Height, size.Width], dtype: ScalarType.Float32, generator: generator);
            using Tensor soft = drawn.Mul(0.6);
            return soft.Add(0.2);
        }
    }

    private static void RequirePrecision(VideoDiffusionModel model, VideoReward reward, VideoAlignmentOptions options, IReadOnlyList<VideoPrompt> prompts)
    {
        VideoSize size = options.ResolveSampling(model).VideoSize(model);
        RewardContract contract = reward.Contract;
        int count = Math.Max(1, (contract.MinimumFrames + contract.FrameMultiple - 1) / contract.FrameMultiple) * contract.FrameMultiple;
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Tensor gray = ScalarOps.Full([1, 3, count, size.Height, size.Width], 0.5, dtype: ScalarType.Float64, device: model.Device);
        Tensor score = reward.Score(gray, [prompts[0].Text]);
        if (score.dtype != ScalarType.Float64)
        {
            throw new RewardContractException(
                $"Reward '{reward.Name}' gave a score of {score.dtype} for frames of Float64, and {score.dtype} is too coarse for the check. " +
                "Leave the frames' dtype alone (make constants of frames.dtype); TorchScript programs are always given Float32 and cannot be checked.");
        }
    }
}
