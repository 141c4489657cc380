using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>Latent frames that a model is given instead of making them: images that a prompt names, and the last frame of the segment before.</summary>
internal interface IFrameConditioning
{
    /// <summary>Gives the paths of the images that a prompt names, as they are written.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <exception cref="FormatException">The prompt's notation is wrong.</exception>
    /// <exception cref="NotSupportedException">It names what is not an image.</exception>
    IReadOnlyList<string> ImagesNamed(string prompt);

    /// <summary>Checks that what a prompt says of its images can be done.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="images">How many images there are.</param>
    /// <param name="segments">Segments of the video.</param>
    /// <exception cref="FormatException">It cannot.</exception>
    void RequireImages(string prompt, int images, int segments);

    /// <summary>Adds what the request's images give to a condition of its texts; carries gradient where the images do.</summary>
    /// <param name="texts">B rows.</param>
    /// <param name="request">The request that they were made of.</param>
    /// <param name="shape">The latents' shape [B, c, T, h, w].</param>
    /// <returns>The same condition where no row is given anything.</returns>
    Condition AddImages(Condition texts, VideoRequest request, long[] shape);

    /// <summary>Makes the sampler of a segment whose condition asks for one of its own.</summary>
    /// <param name="settings">The run's.</param>
    /// <param name="condition">The segment's.</param>
    /// <returns>Null: the run's sampler will do.</returns>
    ISampler? SamplerFor(SamplingSettings settings, Condition condition);

    /// <summary>Puts what the condition gives into the noise that a segment starts from.</summary>
    /// <param name="noise">[B, c, T, h, w], already scaled.</param>
    /// <param name="condition">The segment's, B rows.</param>
    /// <returns>x_0 [B, c, T, h, w].</returns>
    Tensor Begin(Tensor noise, Condition condition);

    /// <summary>Puts what the condition gives into the latents after the last step, with its graph, whichever steps had gradient.</summary>
    /// <param name="latents">[B, c, T, h, w].</param>
    /// <param name="condition">The segment's, B rows.</param>
    /// <returns>[B, c, T, h, w].</returns>
    Tensor Finish(Tensor latents, Condition condition);
}
