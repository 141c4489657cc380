using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// Images that a video begins with, or begins and ends with; a further segment begins with the last frame of the one before. Reference: diffusers,
/// <c>WanImageToVideoPipeline</c>.
/// </summary>
/// <param name="networks">The model's networks, which it does not own.</param>
/// <param name="form">How images are given.</param>
internal sealed class WanFrameConditioning(WanNetworks networks, WanImageForm form) : IFrameConditioning
{
    private readonly int _least = networks.LeastImages(form);
    private readonly int _most = networks.MostImages(form);

    // Of the autoencoder, which encodes images; the denoiser may wait elsewhere.
    private (Device Device, ScalarType Dtype) Computing =>
        (networks.Vae.parameters().First().device, Placement.ComputeDtype(networks.Vae.parameters().First().dtype));

    /// <summary>None: prompts are texts and nothing else.</summary>
    /// <param name="prompt">The prompt.</param>
    public IReadOnlyList<string> ImagesNamed(string prompt) => [];

    public void RequireImages(string prompt, int images, int segments)
    {
        string expected = _least == _most ? $"{_most}" : $"{_least} or {_most}";
        if (images < _least || images > _most)
        {
            throw new FormatException(
                $"The prompt '{Quotation.Shorten(prompt)}' has {images} images; this model expects {expected}: "
                    + $"{(_most == 2 ? "the first frame of its video, and the last" : "the first frame of its video")}.");
        }

        if (images > 1 && segments > 1)
        {
            throw new FormatException(
                $"The prompt '{Quotation.Shorten(prompt)}' has a first and a last image, and its video {segments} segments: only a video of one segment can "
                    + "end with an image.");
        }
    }

    /// <summary>
    /// Adds what images give: <see cref="Condition.ImageLatents"/> as channels, with <see cref="Condition.ImageStates"/> where the network reads them; or as
    /// the first latent frame, with the <see cref="Condition.FrameMask"/>.
    /// </summary>
    /// <param name="texts">The condition of B rows.</param>
    /// <param name="request">Whose images, and whose frame of the segment before, are taken.</param>
    /// <param name="shape">The shape of the segment's latents.</param>
    /// <returns>The same condition where no row is given anything.</returns>
    /// <exception cref="ArgumentException">Rows have different numbers of images where the network needs them for all.</exception>
    public Condition AddImages(Condition texts, VideoRequest request, long[] shape)
    {
        int rows = request.Prompts.Count;
        if (request.Images is null && request.References.All(static row => row.Count == 0))
        {
            return texts;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor[][] images = [.. Enumerable.Range(0, rows).Select(row => Images(request, row))];
        Condition condition = form == WanImageForm.Channels ? AddChannels(texts, request.Size, images) : AddFirstLatents(texts, request.Size, images, shape);
        condition.ImageLatents?.MoveToOuterDisposeScope();
        condition.ImageStates?.MoveToOuterDisposeScope();
        condition.FrameMask?.MoveToOuterDisposeScope();
        return condition;
    }

    public ISampler? SamplerFor(SamplingSettings settings, Condition condition) => null;

    /// <inheritdoc/>
    /// <remarks>The sampler steps latents into which nothing is put; <see cref="WanDenoiser"/> puts given frames in place for the network alone.</remarks>
    public Tensor Begin(Tensor noise, Condition condition) => noise.alias();

    public Tensor Finish(Tensor latents, Condition condition) =>
        condition.FrameMask is null ? latents.alias() : GivenFrames.Insert(latents, condition, edited: false);

    // A row's images [1, 3, H, W] in the order of the video: a frame that is handed on stands for the first.
    private Tensor[] Images(VideoRequest request, int row)
    {
        (Device device, ScalarType dtype) = Computing;
        Tensor[] handed = request.Images is { } frames ? [frames.narrow(0, row, 1)] : [];
        IEnumerable<Func<Tensor>> named = row < request.References.Count ? request.References[row].Skip(handed.Length) : [];
        return [.. handed.Concat(named.Select(static image => image().unsqueeze(0))).Select(image => image.to(device).to_type(dtype))];
    }

    private Condition AddChannels(Condition texts, VideoSize size, Tensor[][] images)
    {
        int count = images[0].Length;
        if (count < _least || count > _most || images.Any(row => row.Length != count))
        {
            throw new ArgumentException(
                $"Images: expected {_least}{(_most > _least ? $" or {_most}" : "")} for each of {images.Length} rows, got "
                    + $"{string.Join(", ", images.Select(static row => row.Length))}. Give each row an image that its video begins with.");
        }

        Tensor[] ends = [.. Enumerable.Range(0, count).Select(place => cat([.. images.Select(row => Fitted(row[place], size))]))];
        return texts with
        {
            ImageLatents = Run(given => WanImageChannels.Encode(networks.Vae, given, size.Frames), ends),
            ImageStates = networks.ImageEncoder is { } encoder ? States(encoder, images, count) : null,
        };
    }

    // [B, count n, E]: those of one image after those of the other.
    private static Tensor States(WanImageEncoder encoder, Tensor[][] images, int count) => cat(
        [.. Enumerable.Range(0, count).Select(place => Run(
            given => encoder.Encode(given[0]), cat([.. images.Select(row => encoder.Processor.Apply(row[place]))])))],
        dim: 1);

    private Condition AddFirstLatents(Condition texts, VideoSize size, Tensor[][] images, long[] shape)
    {
        (Device device, ScalarType dtype) = Computing;
        Tensor[] latents = [.. images.Select(row => row.Length == 0 ? zeros([1, .. shape[1..]], dtype, device) : First(row[0]))];
        double[] mask = [.. images.SelectMany(row => Enumerable.Range(0, (int)shape[2]).Select(frame => frame == 0 && row.Length > 0 ? 0.0 : 1.0))];
        Tensor joined = cat(latents);
        return texts with { ImageLatents = joined, FrameMask = DeviceTable.Create(mask, device, dtype).view(images.Length, -1) };

        Tensor First(Tensor image)
        {
            Tensor first = Run(given => WanImageChannels.Encode(networks.Vae, given[0]), Fitted(image, size));
            return nn.functional.pad(first, [0, 0, 0, 0, 0, shape[2] - 1]);
        }
    }

    private static Tensor Fitted(Tensor image, VideoSize size) => FirstFrame.Fit(image, size.Height, size.Width);

    // Recomputed where a frame is handed on with its graph.
    private static Tensor Run(Func<IReadOnlyList<Tensor>, Tensor> encode, params Tensor[] inputs) =>
        inputs.Any(static input => input.requires_grad) ? Recompute.Run(encode, inputs) : encode(inputs);
}
