using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>Finds what is wrong with sampling options for a model, in words that name the option, what is expected and what was given.</summary>
internal static class SamplingFaults
{
    /// <summary>Finds what a model cannot do.</summary>
    /// <param name="options">The options.</param>
    /// <param name="model">The model that samples.</param>
    /// <returns>
    /// One sentence for each fault, beside those of <see cref="VideoSamplingOptions.Faults"/>; what rests on the ranges is checked where they hold.
    /// </returns>
    public static IReadOnlyList<string> Find(VideoSamplingOptions options, VideoDiffusionModel model)
    {
        model.RequireAlive();
        var faults = new OptionFaults(VideoSamplingOptions.Record);
        AddInputs(faults, options, model);
        AddSize(faults, options, model);
        if (options.Faults().Count == 0)
        {
            faults.Try<ArgumentException>(
                nameof(options.Steps),
                () => faults.Try<NotSupportedException>(nameof(options.Sampler), () => model.CreateSampler(options.Resolve(model))));
        }

        return faults.All;
    }

    // What the model cannot be given: steps beyond its schedule, several segments, texts or images that it does not read.
    private static void AddInputs(OptionFaults faults, VideoSamplingOptions options, VideoDiffusionModel model)
    {
        if (options.Steps > model.Scheduler.TrainTimesteps)
        {
            faults.Add(nameof(options.Steps),
                $"must be at most {model.Scheduler.TrainTimesteps}, the length of the model's noise schedule, got {options.Steps}.");
        }

        if (options.SegmentCount > 1 && SegmentSampler.Fault(model, options.SegmentCount) is { } chained)
        {
            faults.Add(chained);
        }

        if (!model.TakesNegativePrompt && options.NegativePrompt is { Length: > 0 } text)
        {
            string why = model.Images == ImageUse.Required ? "reads no texts" : "has a learned null text in its place";
            faults.Add(nameof(options.NegativePrompt), $"must be empty: a {model.Family} model {why}, got '{Quotation.Shorten(text)}'.");
        }

        if (model.Images == ImageUse.Required && options.ImageColumnName is null)
        {
            faults.Add(nameof(options.ImageColumnName), $"must name the column of images: a {model.Family} model makes videos from them, got null.");
        }

        if (model.Images == ImageUse.None && options.ImageColumnName is { } column)
        {
            faults.Add(nameof(options.ImageColumnName), $"must be null: a {model.Family} model makes videos from texts, got '{Quotation.Shorten(column)}'.");
        }
    }

    private static void AddSize(OptionFaults faults, VideoSamplingOptions options, VideoDiffusionModel model)
    {
        VideoSize usual = model.DefaultSize;
        var asked = new VideoSize(
            Math.Max(options.Frames ?? usual.Frames, 1), options.Height > 0 ? options.Height.Value : usual.Height,
            options.Width > 0 ? options.Width.Value : usual.Width);
        int segments = Math.Max(options.SegmentCount, 1);
        if (asked.CountValues(segments) > Array.MaxLength)
        {
            AddCapacity(faults, options, asked, segments);
        }
        else if (model.SizeFault(asked) is { } fault)
        {
            faults.Add(fault);
        }
        else if (model.Images == ImageUse.Optional && (options.ImageColumnName is not null || segments > 1) && model.LatentShape(1, asked)[2] == 1)
        {
            faults.Add(
                nameof(options.Frames),
                $"must be larger for videos of a {model.Family} model that begin with an image, got {asked.Frames}: there would be no frame left to make.");
        }
    }

    // A video whose values an Int32 cannot count, as a column must.
    private static void AddCapacity(OptionFaults faults, VideoSamplingOptions options, VideoSize size, int segments)
    {
        string others = $"{nameof(options.Height)} x {nameof(options.Width)}{(segments > 1 ? $" x {nameof(options.SegmentCount)}" : "")}";
        string times = segments > 1 ? FormattableString.Invariant($" x {segments}") : "";
        string given = FormattableString.Invariant($"{size.Frames} x {size.Height} x {size.Width}{times}");
        faults.Add(
            nameof(options.Frames),
            FormattableString.Invariant($"x {others} must make a video of at most {Array.MaxLength} values, got {given} x 3 channels = ")
            + $"{size.CountValues(segments)}: that is the limit of a column. Make shorter or smaller videos, and several rows of them.");
    }
}
