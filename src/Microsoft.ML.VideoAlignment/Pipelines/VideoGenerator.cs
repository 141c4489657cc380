using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>How a video is sampled: everything that decides its pixels besides weights, prompt and seed.</summary>
internal sealed record SamplingSettings
{
    public required VideoSize Size { get; init; }

    /// <summary>Sampler steps, at least 1.</summary>
    public required int Steps { get; init; }

    /// <summary>Guidance scale; 1 or less: conditional branch only.</summary>
    public required double GuidanceScale { get; init; }

    /// <summary>0: deterministic; 1: as much noise as DDPM (samplers without eta ignore it).</summary>
    public double Eta { get; init; }

    public string NegativePrompt { get; init; } = "";

    /// <summary>Class name of another sampler to make from the folder's scheduler file, such as "DPMSolverMultistepScheduler"; null: the folder's own.</summary>
    public string? SamplerName { get; init; }

    public ISampler CreateSampler(VideoDiffusionModel model) =>
        (SamplerName is null ? model.Scheduler : model.SwapScheduler(SamplerName)).CreateSampler(Steps, Eta);
}

/// <summary>Generates videos without gradient.</summary>
internal sealed class VideoGenerator(VideoDiffusionModel model, SamplingSettings settings)
{
    /// <summary>Frames decoded at a time: bounds the decoder's memory.</summary>
    private const int DecodedTogether = 8;

    /// <summary>One video per prompt.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <param name="seeds">B seeds; a row's video depends on its own seed only.</param>
    /// <param name="adapters">Merged for the run; null: the base model.</param>
    /// <param name="cancellation">Checked at each step.</param>
    /// <returns>[B, 3, T, H, W], RGB in [0, 1], float32 on the model's device.</returns>
    public Tensor Generate(IReadOnlyList<string> prompts, IReadOnlyList<ulong> seeds, LoraAdapters? adapters = null, CancellationToken cancellation = default)
    {
        using var mode = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = settings.CreateSampler(model);
        using var noise = new SeededNoise(seeds, model.LatentShape(prompts.Count, settings.Size), model.Device);
        Tensor? unconditional = Guidance.Acts(settings.GuidanceScale)
            ? model.EncodePrompts([.. Enumerable.Repeat(settings.NegativePrompt, prompts.Count)])
            : null;
        using var guidance = new Guidance(model, model.EncodePrompts(prompts), unconditional, settings.GuidanceScale);
        Tensor start = noise.Next() * sampler.InitialNoiseSigma;
        Tensor latents = Denoising.Run(sampler, start, guidance.Predict, GradientPlan.None(settings.Steps), _ => noise.Next(), adapters, cancellation: cancellation);
        return DecodeAll(latents).MoveToOuterDisposeScope();
    }

    private Tensor DecodeAll(Tensor latents)
    {
        int frames = (int)latents.shape[2];
        var parts = new List<Tensor>();
        foreach (int[] part in Enumerable.Range(0, frames).Chunk(DecodedTogether))
        {
            using Tensor decoded = model.Decode(latents, part);
            parts.Add(UnitRange.FromSigned(decoded));
        }

        return cat(parts, dim: 2);
    }
}
