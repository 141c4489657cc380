using System.Globalization;
using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Measures what each family's parts take at the middle size of <see cref="FamilyModels"/>, and how near they come to the machine's matrix products: a guided
/// denoiser call, the decode of what one frame needs, and a training step of two denoising steps, the last with gradient and recomputation.
/// </summary>
/// <remarks>
/// The better of <see cref="Runs"/> runs counts, after one that warms up. A training step's operations are all that it does: what encodes the prompt or image,
/// adapters merged into weights, both denoising steps and the decode forward, what of them is recomputed, and backward to inputs and adapters. Its peak is that
/// of <see cref="MemoryEstimates"/> without the weights.
/// </remarks>
internal static class FamilySpeed
{
    private const int Runs = 2;

    /// <summary>Prints the table.</summary>
    /// <param name="only">One family; null: all.</param>
    public static void Run(string? only)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{CountedRun.Machine}; better of {Runs} runs"));
        Console.WriteLine(
            "| family | weights, MB | denoiser call, s | GFLOP | of matmul | decode of one frame, s | GFLOP | of matmul "
                + "| training step, s | GFLOP | of matmul | peak above weights, MB |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|");
        foreach (string family in FamilyModels.Names.Where(name => only is null || name == only))
        {
            using VideoDiffusionModel model = FamilyModels.Middle(family);
            VideoPrompt prompt = MemoryEstimates.Prompt(family);
            VideoAlignmentOptions usual = MemoryEstimates.Options(family, recompute: true);
            VideoAlignmentOptions options = usual with { Optimizer = usual.Optimizer with { Steps = 1 } };
            using VideoReward reward = VideoRewards.Custom("mean", (frames, _) => frames.mean([1, 2, 3, 4]));
            var run = new AlignmentRun(model, reward, options, Seed: 1, [prompt], ValidationPrompts: [], Path.GetTempPath());
            (CountedRun call, CountedRun decode) = Parts(model, run.Training.Sampling, prompt);
            double weights = model.Networks.Values.SelectMany(TrainingDryRun.Stored).Sum(weight => weight.numel() * weight.element_size()) / 1e6;
            string measured = MemoryEstimates.Child(family, MemoryEstimates.Recomputed);
            string peak = double.TryParse(measured, CultureInfo.InvariantCulture, out double megabytes)
                ? (megabytes - weights).ToString("0", CultureInfo.InvariantCulture)
                : measured;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"| {family} | {weights:0} | {call} | {decode} | {Step(model, run, prompt)} | {peak} |"));
        }
    }

    private static (CountedRun Call, CountedRun Decode) Parts(VideoDiffusionModel model, SamplingSettings sampling, VideoPrompt prompt)
    {
        using IDisposable mode = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor Noise(IReadOnlyList<long> shape) => randn([.. shape], generator: generator);
        VideoRequest request = sampling.Request([prompt], Noise);
        Condition condition = model.Encode(request);
        using var guidance = new Guidance(model, condition, model.EncodeUnconditional(request, condition), sampling);
        Tensor latents = Noise(model.LatentShape(1, sampling.Size));
        double timestep = model.CreateSampler(sampling).Timesteps[0];
        return (
            CountedRun.Best(() => guidance.Predict(latents, timestep).Dispose(), Runs),
            CountedRun.Best(() => model.Decode(latents, sampling.Size.Frames, [0]).Dispose(), Runs));
    }

    private static CountedRun Step(VideoDiffusionModel model, AlignmentRun run, VideoPrompt prompt)
    {
        using var generator = new Generator(1);
        LoraOptions lora = run.Options.Lora;
        using LoraAdapters adapters = LoraAdapters.Attach(model.Denoiser, run.LoraTargets, lora.Rank, lora.Alpha, generator);
        using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute);

        // A trainer that has done its steps does nothing when it is asked again.
        return CountedRun.Best(
            () =>
            {
                using AlignmentTrainer trainer = run.Algorithm.CreateTrainer(run.Training, adapters);
                trainer.Train([prompt]);
            },
            Runs);
    }
}
