using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>Generates videos without gradient.</summary>
/// <param name="model">Samples and decodes.</param>
/// <param name="settings">How.</param>
/// <param name="conditions">What was encoded before; null: nothing. The caller's.</param>
internal sealed class VideoGenerator(VideoDiffusionModel model, SamplingSettings settings, ConditionCache? conditions = null)
{
    /// <summary>One video per prompt.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <param name="seeds">B seeds; a row's video depends on its own seed only (and where rows are given pictures on how many its batch has).</param>
    /// <param name="adapters">Merged for the run; null: the base model.</param>
    /// <param name="cancellation">Checked at each step.</param>
    /// <returns>[B, 3, T, H, W], RGB in [0, 1], float32 on the model's device; T is that of all clips of the film.</returns>
    public Tensor Generate(IReadOnlyList<VideoPrompt> prompts, IReadOnlyList<ulong> seeds, LoraAdapters? adapters = null, CancellationToken cancellation = default)
    {
        using var noise = new SeededNoise(seeds, model.Device);
        using ConditionCache? own = conditions is null ? new ConditionCache(model, settings) : null;
        return Generate(Preparation(prompts, noise, conditions ?? own!), adapters, cancellation);
    }

    /// <summary>
    /// As <see cref="Generate(IReadOnlyList{VideoPrompt}, IReadOnlyList{ulong}, LoraAdapters, CancellationToken)"/>, of the frames alone that a reward is
    /// shown.
    /// </summary>
    /// <param name="prompts">B prompts.</param>
    /// <param name="seeds">B seeds.</param>
    /// <param name="frames">B lists of equally many frames of the whole film, ascending (of latent frames where rewards are shown those).</param>
    /// <param name="adapters">Merged for the run; null: the base model.</param>
    /// <param name="cancellation">Checked at each step.</param>
    /// <returns>[B, 3, f, H, W], RGB in [0, 1].</returns>
    public Tensor GenerateForReward(
        IReadOnlyList<VideoPrompt> prompts, IReadOnlyList<ulong> seeds, IReadOnlyList<IReadOnlyList<int>> frames, LoraAdapters? adapters = null,
        CancellationToken cancellation = default)
    {
        using var noise = new SeededNoise(seeds, model.Device);
        using ConditionCache? own = conditions is null ? new ConditionCache(model, settings) : null;
        return GenerateForReward(Preparation(prompts, noise, conditions ?? own!), frames, adapters, cancellation);
    }

    /// <summary>As the other overload, of clips that <paramref name="prepare"/> makes ready, see <see cref="ClipChain.Run"/>.</summary>
    public Tensor Generate(Func<int, Tensor?, PreparedClip> prepare, LoraAdapters? adapters, CancellationToken cancellation = default)
    {
        using var mode = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        var clips = new List<Tensor>();
        ClipChain chain = Chain(adapters);
        chain.Run(prepare, Finish, cancellation);
        return (clips.Count == 1 ? clips[0] : cat(clips, dim: 2)).MoveToOuterDisposeScope();

        Tensor? Finish(int index, Tensor latents)
        {
            clips.Add(DecodeAll(chain, latents).MoveToOuterDisposeScope());
            return index + 1 < settings.SegmentCount ? clips[^1].select(2, -1) : null;
        }
    }

    /// <summary>As the other overload, of clips that <paramref name="prepare"/> makes ready.</summary>
    public Tensor GenerateForReward(
        Func<int, Tensor?, PreparedClip> prepare, IReadOnlyList<IReadOnlyList<int>> frames, LoraAdapters? adapters, CancellationToken cancellation = default)
    {
        using var mode = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        var clips = new List<Tensor>();
        ClipChain chain = Chain(adapters);
        chain.Run(prepare, Finish, cancellation);
        return cat([.. frames.Select(Row)]).MoveToOuterDisposeScope();

        Tensor Row(IReadOnlyList<int> shown, int row) => chain.FramesForReward([.. clips.Select(clip => clip.narrow(0, row, 1))], shown);

        Tensor? Finish(int index, Tensor latents)
        {
            clips.Add(latents.MoveToOuterDisposeScope());
            return index + 1 < settings.SegmentCount ? chain.LastFrame(latents, carry: false) : null;
        }
    }

    private ClipChain Chain(LoraAdapters? adapters) => new(model, settings, model.CreateSampler(settings), adapters);

    private Func<int, Tensor?, PreparedClip> Preparation(IReadOnlyList<VideoPrompt> prompts, SeededNoise noise, ConditionCache cache)
    {
        var preparation = new ClipPreparation(model, settings, model.CreateSampler(settings), cache);
        return (clip, image) => preparation.Prepare(clip, prompts, image, noise.Next);
    }

    private Tensor DecodeAll(ClipChain chain, Tensor latents)
    {
        var parts = new List<Tensor>();
        foreach (int[] part in Enumerable.Range(0, settings.Size.Frames).Chunk(model.FramesDecodedTogether))
        {
            using Tensor decoded = chain.Decode(latents, part);
            parts.Add(UnitRange.FromSigned(decoded));
        }

        return cat(parts, dim: 2);
    }
}
