using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>Generates videos without gradient.</summary>
/// <param name="model">Samples and decodes.</param>
/// <param name="settings">How it samples.</param>
/// <param name="conditions">What was encoded before, which the caller owns; null: nothing was.</param>
internal sealed class VideoGenerator(VideoDiffusionModel model, SamplingSettings settings, ConditionCache? conditions = null)
{
    /// <summary>Generates one video per prompt.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <param name="seeds">B seeds; a row's video depends on its own seed only (and where rows are given images on how many its batch has).</param>
    /// <param name="adapters">Merged for the run; null: the base model.</param>
    /// <returns>[B, 3, T, H, W], RGB in [0, 1], float32 on the model's device; T counts the frames of all segments.</returns>
    public Tensor Generate(
        IReadOnlyList<VideoPrompt> prompts, IReadOnlyList<ulong> seeds, LoraAdapters? adapters = null)
    {
        using var noise = new SeededNoise(seeds, model.Device);
        using ConditionCache? own = conditions is null ? new ConditionCache(model, settings) : null;
        return Generate(Preparation(prompts, noise, conditions ?? own!), adapters);
    }

    /// <summary>Generates one video per prompt, of which only the frames are decoded that a reward is shown.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <param name="seeds">B seeds.</param>
    /// <param name="frames">B lists of equally many frames of the whole video, ascending (of latent frames where rewards are shown those).</param>
    /// <param name="adapters">Merged for the run; null: the base model.</param>
    /// <returns>[B, 3, f, H, W], RGB in [0, 1].</returns>
    public Tensor GenerateForReward(
        IReadOnlyList<VideoPrompt> prompts, IReadOnlyList<ulong> seeds, IReadOnlyList<IReadOnlyList<int>> frames, LoraAdapters? adapters = null)
    {
        using var noise = new SeededNoise(seeds, model.Device);
        using ConditionCache? own = conditions is null ? new ConditionCache(model, settings) : null;
        return GenerateForReward(Preparation(prompts, noise, conditions ?? own!), frames, adapters);
    }

    /// <summary>Generates videos of segments that the caller makes ready, see <see cref="SegmentSampler.Run"/>.</summary>
    /// <param name="prepare">Makes a segment ready; its arguments: the segment's index, and the image that it begins with, null for the first.</param>
    /// <param name="adapters">Merged for the run; null: the base model.</param>
    /// <returns>[B, 3, T, H, W], RGB in [0, 1].</returns>
    public Tensor Generate(Func<int, Tensor?, SegmentInputs> prepare, LoraAdapters? adapters)
    {
        using var mode = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        var segments = new List<Tensor>();
        SegmentSampler chain = Chain(adapters);
        chain.Run(prepare, Finish);
        return (segments.Count == 1 ? segments[0] : cat(segments, dim: 2)).MoveToOuterDisposeScope();

        Tensor? Finish(int index, Tensor latents)
        {
            segments.Add(DecodeAll(chain, latents).MoveToOuterDisposeScope());
            return index + 1 < settings.SegmentCount ? segments[^1].select(2, -1) : null;
        }
    }

    /// <summary>Generates the frames that a reward is shown of segments that the caller makes ready, see <see cref="SegmentSampler.Run"/>.</summary>
    /// <param name="prepare">Makes a segment ready; its arguments: the segment's index, and the image that it begins with, null for the first.</param>
    /// <param name="frames">B lists of equally many frames of the whole video, ascending (of latent frames where rewards are shown those).</param>
    /// <param name="adapters">Merged for the run; null: the base model.</param>
    /// <returns>[B, 3, f, H, W], RGB in [0, 1].</returns>
    public Tensor GenerateForReward(
        Func<int, Tensor?, SegmentInputs> prepare, IReadOnlyList<IReadOnlyList<int>> frames, LoraAdapters? adapters)
    {
        using var mode = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        var segments = new List<Tensor>();
        SegmentSampler chain = Chain(adapters);
        chain.Run(prepare, Finish);
        return cat([.. frames.Select(Row)]).MoveToOuterDisposeScope();

        Tensor Row(IReadOnlyList<int> shown, int row) => chain.FramesForReward([.. segments.Select(segment => segment.narrow(0, row, 1))], shown);

        Tensor? Finish(int index, Tensor latents)
        {
            segments.Add(latents.MoveToOuterDisposeScope());
            return index + 1 < settings.SegmentCount ? chain.LastFrame(latents, carry: false) : null;
        }
    }

    private SegmentSampler Chain(LoraAdapters? adapters) => new(model, settings, model.CreateSampler(settings), adapters);

    private Func<int, Tensor?, SegmentInputs> Preparation(IReadOnlyList<VideoPrompt> prompts, SeededNoise noise, ConditionCache cache)
    {
        var preparation = new SegmentBuilder(model, settings, model.CreateSampler(settings), cache);
        return (segment, image) => preparation.Build(segment, prompts, image, noise.Next);
    }

    private Tensor DecodeAll(SegmentSampler chain, Tensor latents)
    {
        var parts = new List<Tensor>();
        foreach (int[] part in Enumerable.Range(0, settings.Size.Frames).Chunk(model.DecoderChunkFrames))
        {
            using Tensor decoded = chain.Decode(latents, part);
            parts.Add(UnitRange.FromSigned(decoded));
        }

        return cat(parts, dim: 2);
    }
}
