using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>Generates videos without gradient.</summary>
internal sealed class VideoGenerator(VideoDiffusionModel model, SamplingSettings settings)
{
    /// <summary>One video per prompt.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <param name="seeds">B seeds; a row's video depends on its own seed only.</param>
    /// <param name="adapters">Merged for the run; null: the base model.</param>
    /// <param name="cancellation">Checked at each step.</param>
    /// <returns>[B, 3, T, H, W], RGB in [0, 1], float32 on the model's device.</returns>
    public Tensor Generate(IReadOnlyList<VideoPrompt> prompts, IReadOnlyList<ulong> seeds, LoraAdapters? adapters = null, CancellationToken cancellation = default)
    {
        using var mode = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = model.CreateSampler(settings);
        using var noise = new SeededNoise(seeds, model.Device);
        long[] shape = model.LatentShape(prompts.Count, settings.Size);
        VideoRequest request = settings.Request(prompts, noise.Next);
        Condition condition = model.Encode(request);
        using var guidance = new Guidance(model, condition, model.GuidanceActs(settings.GuidanceScale) ? model.EncodeUnconditional(request, condition) : null, settings);
        Tensor start = noise.Next(shape) * sampler.InitialNoiseSigma;
        Tensor latents = Denoising.Run(
            sampler, start, guidance.Predict, GradientPlan.None(sampler.Timesteps.Count), _ => noise.Next(shape), adapters, cancellation: cancellation);
        return DecodeAll(latents).MoveToOuterDisposeScope();
    }

    private Tensor DecodeAll(Tensor latents)
    {
        var parts = new List<Tensor>();
        foreach (int[] part in Enumerable.Range(0, settings.Size.Frames).Chunk(model.FramesDecodedTogether))
        {
            using Tensor decoded = model.Decode(latents, settings.Size.Frames, part);
            parts.Add(UnitRange.FromSigned(decoded));
        }

        return cat(parts, dim: 2);
    }
}
