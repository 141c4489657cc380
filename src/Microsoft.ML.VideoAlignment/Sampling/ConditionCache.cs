using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>
/// Conditions of a training run. Those of texts are made once and kept, row by row, since a run comes back to its prompts many times; those of images,
/// which hold fresh noise, are made each time.
/// </summary>
/// <param name="model">Encodes.</param>
/// <param name="sampling">How the run samples.</param>
/// <param name="mostOnDevice">Bytes of texts that stay on the model's device; others wait in the CPU's memory and are copied when they are used.</param>
internal sealed class ConditionCache(VideoDiffusionModel model, SamplingSettings sampling, long mostOnDevice = ConditionCache.MostOnDevice) : IDisposable
{
    /// <summary>About a hundred prompts of CLIP, or six of T5; less than what an estimate adds for the allocator.</summary>
    private const long MostOnDevice = 32_000_000;

    private readonly Dictionary<string, Condition> _kept = new(StringComparer.Ordinal);
    private long _onDevice;

    private bool Acts => model.GuidanceActs(sampling.GuidanceScale);

    /// <summary>
    /// Encodes every text of a run now and frees the text encoder, which may be larger than all else together: one that is opened when it is needed is closed,
    /// and where a <see cref="CpuOffloader"/> observes the run another is offloaded.
    /// </summary>
    /// <param name="prompts">The run's prompts; of a run that is canceled meanwhile some are left out.</param>
    public void Prepare(IEnumerable<VideoPrompt> prompts)
    {
        if (model.Images == ImageUse.Required || (!model.ReopensTextEncoder && RunContext.Observer<CpuOffloader>() is null))
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        VideoRequest[] texts = [.. prompts.DistinctBy(prompt => prompt.Text).Select(prompt =>
            sampling.Request([prompt.WithoutImages], _ => throw new InvalidOperationException("texts need no noise")))];
        foreach (VideoRequest text in texts.TakeWhile(static _ => !RunContext.Current.Cancellation.IsCancellationRequested))
        {
            for (int segment = 0; segment < sampling.SegmentCount; segment++)
            {
                Make(text with { Segment = segment }, Texts);
            }
        }

        model.ReleaseTextEncoder();
        RunContext.Observer<CpuOffloader>()?.Offload(model.TextEncoders);
    }

    /// <summary>Makes both branches of a batch, without gradient.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <param name="noise">Makes standard normal noise of a shape [B, ...].</param>
    /// <returns>B rows each; the second is null where guidance does not act.</returns>
    public (Condition Conditional, Condition? Unconditional) Get(IReadOnlyList<VideoPrompt> prompts, Func<IReadOnlyList<long>, Tensor> noise)
    {
        using (no_grad())
        {
            return Make(Request(prompts, noise), Encode);
        }
    }

    /// <summary>Makes both branches of a video's further segment; they carry gradient where the images do.</summary>
    /// <param name="segment">Which segment, from 1.</param>
    /// <param name="prompts">B prompts.</param>
    /// <param name="images">What the segment begins with [B, 3, H, W], RGB in [0, 1].</param>
    /// <param name="noise">Makes standard normal noise of a shape [B, ...].</param>
    /// <returns>B rows each; the second is null where guidance does not act.</returns>
    public (Condition Conditional, Condition? Unconditional) GetForSegment(
        int segment, IReadOnlyList<VideoPrompt> prompts, Tensor images, Func<IReadOnlyList<long>, Tensor> noise)
    {
        using (set_grad_enabled(images.requires_grad && is_grad_enabled()))
        {
            return Make(Request(prompts, noise, later: true) with { Images = images, Segment = segment }, Encode);
        }
    }

    public void Dispose()
    {
        foreach (Condition condition in _kept.Values)
        {
            condition.Dispose();
        }
    }

    // The request of a batch, with its rows' images where the model may read them; a later segment has its image already.
    private VideoRequest Request(IReadOnlyList<VideoPrompt> prompts, Func<IReadOnlyList<long>, Tensor> noise, bool later = false) =>
        model.Images != ImageUse.Optional && !later ? sampling.Request(prompts, noise)
        : sampling.Request([.. prompts.Select(prompt => prompt.WithoutImages)], noise) with { References = [.. prompts.Select(prompt => prompt.Images)] };

    // As VideoDiffusionModel.Encode; texts that were seen before are not encoded again.
    private Condition Encode(VideoRequest request)
    {
        if (model.Images == ImageUse.Required)
        {
            RunContext.Enter(RunStage.Encoding);
            return model.Encode(request);
        }

        Condition texts = Texts(request);
        if (request.Images is not null || request.References.Any(images => images.Count > 0))
        {
            RunContext.Enter(RunStage.Encoding);
        }

        return model.AddImages(texts, request);
    }

    private Condition Texts(VideoRequest request)
    {
        string[] read = [.. request.Prompts.Select(prompt => model.EncoderText(prompt, request.Segment, request.Segments))];
        foreach ((string text, string prompt) in read.Zip(request.Prompts)
            .Where(pair => !_kept.ContainsKey(pair.First)).DistinctBy(pair => pair.First).ToList())
        {
            // What is made in inference mode, where validation videos are, could not take part in a graph later.
            using IDisposable mode = inference_mode(false);
            using IDisposable guard = no_grad();
            RunContext.Enter(RunStage.Encoding);
            _kept[text] = Place(model.EncodeTexts(request with { Prompts = [prompt] })).DetachFromDisposeScope();
        }

        return Condition.Stack([.. read.Select(text => _kept[text].Map(tensor => DeviceTable.Upload(tensor.alias(), model.Device)))]);
    }

    // Where a text waits until it is used.
    private Condition Place(Condition text)
    {
        long bytes = text.CountBytes();
        if (_onDevice + bytes > mostOnDevice)
        {
            return text.Map(static tensor => HostRead.Copy(tensor));
        }

        _onDevice += bytes;
        return text;
    }

    private (Condition Conditional, Condition? Unconditional) Make(VideoRequest request, Func<VideoRequest, Condition> encode)
    {
        Condition conditional = encode(request);
        return (Computing(conditional), Acts ? Computing(model.EncodeUnconditional(request, conditional, encode)) : null);
    }

    // In what the denoiser computes in: no change, unless that is float64.
    private Condition Computing(Condition condition) => model.ComputeDtype != ScalarType.Float64 ? condition
        : condition.Map(static tensor => tensor.is_floating_point() ? tensor.to_type(ScalarType.Float64) : tensor.alias());
}
