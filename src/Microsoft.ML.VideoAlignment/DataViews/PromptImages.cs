using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.DataViews;

/// <summary>
/// Makes the prompt of a row from its text and its image, with the images that the text names. Those are read from the folder alone that the model's user
/// named (<see cref="VideoModelOptions.ReferenceFolder"/>), since prompts may be anyone's.
/// </summary>
/// <param name="model">Says what a text names.</param>
/// <param name="sampling">How videos are made.</param>
/// <param name="say">Told when an image has another size than the videos, and will be resized.</param>
internal sealed class PromptImages(VideoDiffusionModel model, SamplingSettings sampling, Action<string> say)
{
    /// <summary>The size of the videos.</summary>
    public VideoSize Size { get; } = model.OutputSize(sampling.Size);

    /// <summary>The largest files that are read.</summary>
    public ImageLimits Limits => model.LoadedWith.ImageLimits;

    /// <inheritdoc cref="InputImage.Announce"/>
    public Action<string> Inform => say;

    /// <summary>The prompt of a row; <paramref name="image"/>: that of its column, if it has one.</summary>
    /// <exception cref="FormatException">The text's notation is wrong, or asks for what cannot be done with its images.</exception>
    /// <exception cref="NotSupportedException">It names a file, and no folder was named; or a video.</exception>
    /// <exception cref="FileNotFoundException">An image is not there.</exception>
    /// <exception cref="UnauthorizedAccessException">A path, or a symbolic link in it, leads out of the folder.</exception>
    public VideoPrompt Resolve(string text, Func<Tensor>? image = null)
    {
        IReadOnlyList<string> named = model.ImagesNamed(text);
        if (named.Count > 0 && image is not null)
        {
            throw new FormatException(
                $"The prompt '{Quotation.Shorten(text)}' names the image '{Quotation.Shorten(named[0])}', and its row has one in the image column: which of them is meant is not said. Leave reference_path out, or the image column.");
        }

        var prompt = new VideoPrompt(text, image) { Named = [.. named.Select(path => Open(text, path))] };
        model.RequireImages(text, prompt.Images.Count, sampling.SegmentCount);
        return prompt;
    }

    private Func<Tensor> Open(string text, string path)
    {
        if (model.LoadedWith.ReferenceFolder is not { } folder)
        {
            throw new NotSupportedException(
                $"The prompt '{Quotation.Shorten(text)}' names the image '{Quotation.Shorten(path)}', and files named in prompts are read only from a folder of yours: name it in "
                + $"{nameof(VideoModelOptions)}.{nameof(VideoModelOptions.ReferenceFolder)} when you load the model, or leave the part in braces out.");
        }

        string named = $"The prompt '{Quotation.Shorten(text)}'";
        string file = Inside();
        Func<Tensor> image = InputImage.FromFile(file, named, Limits);
        return InputImage.Announce(() => Inside() == file ? image() : throw Outside(), named, Size, say);

        // The folder may be changed between the prompt's reading and the image's.
        string Inside() => ImageFolder.Inside(folder, path) ?? throw Outside();

        UnauthorizedAccessException Outside() => new(
            $"{named} names '{Quotation.Shorten(path)}': expected a path relative to {nameof(VideoModelOptions)}.{nameof(VideoModelOptions.ReferenceFolder)} ('{folder}') that stays inside it, links followed.");
    }
}
