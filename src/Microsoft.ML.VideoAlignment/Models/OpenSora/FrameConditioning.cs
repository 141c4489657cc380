using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Latent frames that Open-Sora is given instead of making them: the user's images, placed by their mask strategy, and the last frame of the segment before. An
/// image is a video of one frame to the autoencoder, and the first latent frame of a chunk stands for one frame.
/// </summary>
/// <remarks>
/// Reference: Open-Sora 1.2, <c>collect_references_batch</c>, <c>append_generated</c> and <c>apply_mask_strategy</c>; there five latent frames are handed on
/// and cut out of the video again, here it is one frame, as for every model that makes videos, and nothing is cut.
/// </remarks>
/// <param name="vae">Encodes images.</param>
/// <param name="network">The denoiser, whose device and precision latents have.</param>
/// <param name="settings">Which loop a segment is.</param>
/// <param name="samplers">Makes samplers that know which frames are given.</param>
/// <param name="sizes">
/// Gives the size that frames come out with: images are fitted to it, so that none of an image is lost, and a frame handed on is not resized.
/// </param>
internal sealed class FrameConditioning(
    VideoAutoencoder vae, STDiT3 network, OpenSoraPromptSettings settings, OpenSoraSamplers samplers, OpenSoraVideoSizes sizes)
    : IFrameConditioning
{
    /// <summary>The starts that frames are given at: those of chunks (<c>align = 5</c> in Open-Sora's and VADER's configurations); null: any.</summary>
    private int? Align => vae.Config.ChunkFrames is { } frames ? VideoAutoencoderConfig.LatentFrames(frames, frames, vae.Config.Temporal.TimeFactor) : null;

    public IReadOnlyList<string> ImagesNamed(string prompt) => OpenSoraPrompt.ReferencedImages(prompt);

    public void RequireImages(string prompt, int images, int segments)
    {
        string strategy = OpenSoraPrompt.Parse(prompt).MaskStrategy;
        MaskStrategy[] acting = [.. Enumerable.Range(0, segments)
            .SelectMany(segment => MaskStrategy.InSegment(strategy, images, segment, segments, settings.Loop))];
        foreach (MaskStrategy group in acting)
        {
            if (group.Reference < 0 || group.Reference >= images)
            {
                throw new FormatException(
                    $"The mask strategy '{Quotation.Shorten(strategy)}' names reference {group.Reference}, and the prompt has "
                    + $"{(images == 0 ? "none" : $"{images}, counted from 0")}. "
                    + "References are the images of reference_path, or the one of the image column.");
            }

            // An image is one latent frame.
            if (group.ReferenceStart < -1)
            {
                throw new FormatException(
                    $"The mask strategy '{Quotation.Shorten(strategy)}' begins at latent frame {group.ReferenceStart} of a reference: expected 0, or -1, "
                    + "of an image's one frame.");
            }

            if (!(group.EditRatio is >= 0 and < 1))
            {
                throw new FormatException(
                    $"The mask strategy '{Quotation.Shorten(strategy)}' has the edit ratio {group.EditRatio}: expected 0 (frames stay as they are) to below 1. "
                        + "Frames that are to be made anew need no group.");
            }
        }

        if (images > 0 && acting.Length == 0)
        {
            throw new FormatException(
                $"The mask strategy '{Quotation.Shorten(strategy)}' does nothing in a video of {segments} "
                + $"{(segments == 1 ? "segment, which is loop 1 or 0" : $"segments, which are loops 0 to {segments - 1}")}. "
                + "Name one of them in the first field, or leave the strategy out: the first image then begins the video.");
        }
    }

    /// <summary>
    /// Adds what images give: latents [B, c, T', h, w], zero where nothing is given, and the frame mask [B, T'].
    /// </summary>
    /// <param name="texts">The condition of B rows.</param>
    /// <param name="request">Whose images, and whose frame of the segment before, are taken.</param>
    /// <param name="shape">The shape of the segment's latents.</param>
    /// <returns>The same condition where no row is given anything.</returns>
    /// <remarks>The autoencoder's noise is drawn for all rows at once, for each place among their images that any of them needs.</remarks>
    public Condition AddImages(Condition texts, VideoRequest request, long[] shape)
    {
        int rows = request.Prompts.Count;
        IReadOnlyList<Func<Tensor>>[] images = [.. Enumerable.Range(0, rows).Select(row => row < request.References.Count ? request.References[row] : [])];
        List<MaskStrategy>[] groups = [.. request.Prompts.Select((prompt, row) => Groups(prompt, images[row].Count, request))];
        if (request.Images is null && groups.All(row => row.Count == 0))
        {
            return texts;
        }

        using DisposeScope scope = NewDisposeScope();
        VideoSize image = sizes.Output(request.Size);
        Tensor weight = network.parameters().First();
        (Device device, ScalarType dtype) = (weight.device, Placement.ComputeDtype(weight.dtype));
        List<Tensor>[] latents = [.. Enumerable.Range(0, rows).Select(_ => new List<Tensor>())];
        for (int place = 0; images.Any(row => row.Count > place); place++)
        {
            int[] having = [.. Enumerable.Range(0, rows).Where(row => groups[row].Count > 0 && images[row].Count > place)];
            if (having.Length > 0)
            {
                Encode(having, row => images[row][place]().unsqueeze(0));
            }
        }

        if (request.Images is { } given)
        {
            Encode([.. Enumerable.Range(0, rows)], row => given.narrow(0, row, 1));
            foreach ((List<MaskStrategy> row, int last) in groups.Zip(latents, (row, added) => (row, added.Count - 1)))
            {
                row.Add(new MaskStrategy(request.Segment, last, 0, 0, 1, 0));
            }
        }

        (Tensor frames, Tensor mask) = MaskStrategy.Apply(zeros(shape, dtype, device), latents, groups, Align);
        return texts with { ImageLatents = frames.MoveToOuterDisposeScope(), FrameMask = mask.MoveToOuterDisposeScope() };

        void Encode(int[] having, Func<int, Tensor> pixels)
        {
            Tensor imageNoise = request.Noise([rows, vae.Config.Spatial.LatentChannels, .. shape[3..]]),
                videoNoise = request.Noise([rows, shape[1], 1, .. shape[3..]]);
            Tensor index = DeviceTable.Create([.. having.Select(row => (long)row)], device);
            Tensor[] inputs = [Fitted(having, pixels), imageNoise.index_select(0, index), videoNoise.index_select(0, index)];
            Tensor encoded = inputs[0].requires_grad ? Recompute.Run(Latents, inputs) : Latents(inputs);
            foreach ((int row, int place) in having.Select((row, place) => (row, place)))
            {
                latents[row].Add(encoded[place]);
            }
        }

        Tensor Fitted(int[] having, Func<int, Tensor> pixels) =>
            cat([.. having.Select(row => FirstFrame.Fit(pixels(row).to(device).to_type(dtype), image.Height, image.Width))]);
    }

    public ISampler? SamplerFor(SamplingSettings settings, Condition condition) =>
        condition.FrameMask is { } mask ? samplers.CreateSampler(settings, mask) : null;

    public Tensor Begin(Tensor noise, Condition condition) => GivenFrames.Insert(noise, condition, edited: true);

    public Tensor Finish(Tensor latents, Condition condition) => GivenFrames.Insert(latents, condition, edited: false);

    // [R, 3, H, W] in [0, 1] and noise -> [R, c, 1, h, w], a sample of the posterior.
    private Tensor Latents(IReadOnlyList<Tensor> inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pixels = inputs[0].Mul(2).Sub(1).unsqueeze(2);
        return vae.Encode(pixels, inputs[1], inputs[2]).MoveToOuterDisposeScope();
    }

    private List<MaskStrategy> Groups(string prompt, int images, VideoRequest request)
    {
        OpenSoraPrompt parsed = OpenSoraPrompt.Parse(prompt);
        if (parsed.ReferencePath.Length > 0 && images == 0)
        {
            throw new NotSupportedException(
                $"The prompt names the reference '{Quotation.Shorten(parsed.ReferencePath)}', and files named in prompts are read only from the folder of "
                + $"{nameof(VideoModelOptions)}.{nameof(VideoModelOptions.ReferenceFolder)}. "
                + "Name that folder when you load the model, or leave the part in braces out.");
        }

        return [.. MaskStrategy.InSegment(parsed.MaskStrategy, images, request.Segment, request.Segments, settings.Loop)];
    }
}
