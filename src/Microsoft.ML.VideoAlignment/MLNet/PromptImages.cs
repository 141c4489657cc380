using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Creates the prompt of a row from its text and its image, with the images that the text names. Those are read only from the folder that the model's user
/// named (<see cref="VideoModelOptions.ReferenceFolder"/>), since prompts may be anyone's.
/// </summary>
/// <param name="model">The model, which finds the names in a text.</param>
/// <param name="sampling">How videos are generated.</param>
/// <param name="log">Receives a message when an image has another size than the videos, and will be resized.</param>
internal sealed class PromptImages(VideoDiffusionModel model, SamplingSettings sampling, Action<string> log)
{
    /// <summary>Size of the videos.</summary>
    public VideoSize Size { get; } = model.OutputSize(sampling.Size);

    /// <summary>The largest files that are read.</summary>
    public ImageLimits Limits => model.LoadedWith.ImageLimits;

    /// <summary>Receives messages about images, such as that one will be resized.</summary>
    public Action<string> Inform => log;

    /// <summary>Creates the prompt of a row.</summary>
    /// <param name="text">The text, which may name images.</param>
    /// <param name="image">Creates the image of the row's image column; null: there is no such column.</param>
    /// <exception cref="FormatException">The text's notation is wrong, or asks for what cannot be done with its images.</exception>
    /// <exception cref="NotSupportedException">The text names a file, and the user named no folder; or it names a video.</exception>
    /// <exception cref="FileNotFoundException">An image does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">A path, or a symbolic link in it, leads out of the folder.</exception>
    public VideoPrompt Resolve(string text, Func<Tensor>? image = null)
    {
        IReadOnlyList<string> named = model.ImagesNamed(text);
        if (named.Count > 0 && image is not null)
        {
            throw new FormatException(
                $"The prompt '{Quotation.Shorten(text)}' names the image '{Quotation.Shorten(named[0])}', and its row has one in the image column: "
                + "only one of them can be used. Leave out reference_path, or the image column.");
        }

        var prompt = new VideoPrompt(text, image) { NamedImages = [.. named.Select(path => Open(text, path))] };
        model.RequireImages(text, prompt.Images.Count, sampling.SegmentCount);
        return prompt;
    }

    private Func<Tensor> Open(string text, string path)
    {
        if (model.LoadedWith.ReferenceFolder is not { } folder)
        {
            throw new NotSupportedException(
                $"The prompt '{Quotation.Shorten(text)}' names the image '{Quotation.Shorten(path)}', and files named in prompts are read only from a "
                + $"folder of yours: name it in {nameof(VideoModelOptions)}.{nameof(VideoModelOptions.ReferenceFolder)} when you load the model, or leave "
                + "out the part in braces.");
        }

        string subject = $"The prompt '{Quotation.Shorten(text)}'";
        string file = Inside();
        Func<Tensor> image = InputImage.FromFile(file, subject, Limits);
        return InputImage.LogResize(() => Inside() == file ? image() : throw Outside(), subject, Size, log);

        // The folder may change between the reading of the prompt and of the image.
        string Inside() => ImageFolder.Resolve(folder, path) ?? throw Outside();

        UnauthorizedAccessException Outside() => new(
            $"{subject} names '{Quotation.Shorten(path)}': expected a path relative to "
            + $"{nameof(VideoModelOptions)}.{nameof(VideoModelOptions.ReferenceFolder)} ('{folder}') that stays inside it, links followed.");
    }
}
