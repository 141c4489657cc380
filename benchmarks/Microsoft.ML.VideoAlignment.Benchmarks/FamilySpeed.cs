using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Training;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// What each family's parts take at the middle size of <see cref="FamilyModels"/>: a guided denoiser call, the decode of what one frame needs, and a whole
/// training step of two denoising steps, the last one graded and recomputed. The better of <see cref="Runs"/> runs.
/// </summary>
internal static class FamilySpeed
{
    private const int Runs = 3;

    public static void Run(string? only)
    {
        Console.WriteLine("| family | weights, MB | denoiser call, s | decode of one frame, s | training step, s |");
        Console.WriteLine("|---|---|---|---|---|");
        foreach (string family in FamilyModels.Names.Where(name => only is null || name == only))
        {
            using VideoDiffusionModel model = FamilyModels.Middle(family);
            VideoPrompt prompt = MemoryEstimates.Prompt(family);
            VideoAlignmentOptions options = MemoryEstimates.Options(family, recompute: true);
            using VideoReward reward = VideoRewards.Custom("mean", (frames, _) => frames.mean([1, 2, 3, 4]));
            var run = new AlignmentRun(model, reward, options, Seed: 1, [prompt], HeldOut: [], Path.GetTempPath());
            (double call, double decode) = Parts(model, run.Sampling, prompt);
            double weights = model.Networks.Values.SelectMany(network => network.parameters()).Sum(weight => weight.numel() * weight.element_size()) / 1e6;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {family} | {weights:0} | {call:0.00} | {decode:0.00} | {Step(model, run, prompt):0.00} |"));
        }
    }

    private static (double Call, double Decode) Parts(VideoDiffusionModel model, SamplingSettings sampling, VideoPrompt prompt)
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
        return (Best(() => guidance.Predict(latents, timestep).Dispose()), Best(() => model.Decode(latents, sampling.Size.Frames, [0]).Dispose()));
    }

    private static double Step(VideoDiffusionModel model, AlignmentRun run, VideoPrompt prompt)
    {
        using var generator = new Generator(1);
        using LoraAdapters adapters = LoraAdapters.Attach(model.Denoiser, run.Options.LoraTargets, run.Options.LoraRank, run.Options.LoraAlpha, generator);
        using var trainer = new RewardGradientTrainer(model, run.Reward, adapters, run.Settings());
        model.RecomputeBlocks = true;
        return Best(() => trainer.Train([prompt]));
    }

    private static double Best(Action work)
    {
        double best = double.PositiveInfinity;
        for (int i = 0; i < Runs; i++)
        {
            long started = Stopwatch.GetTimestamp();
            work();
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        return best;
    }
}
