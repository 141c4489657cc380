using System.Globalization;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Memory;

/// <summary>Replaces an allocator's failure by an error that says what the run was estimated to take and what would make it smaller.</summary>
internal static class OutOfMemoryAdvice
{
    /// <summary>Parts of the messages of libtorch's allocators: of Linux, of Windows, of CUDA.</summary>
    private static readonly string[] s_signs = ["can't allocate memory", "not enough memory", "out of memory"];

    /// <summary>Tells whether an exception, or an inner exception of it, is a failed allocation.</summary>
    /// <param name="exception">The exception; null: there is none.</param>
    public static bool Caused(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is OutOfMemoryException || Array.Exists(s_signs, sign => exception.Message.Contains(sign, StringComparison.OrdinalIgnoreCase)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Runs a part of training.</summary>
    /// <param name="model">The model to align.</param>
    /// <param name="options">The options of the run.</param>
    /// <param name="reward">What to align to.</param>
    /// <param name="training">The part.</param>
    /// <returns>What the part returned.</returns>
    /// <exception cref="InsufficientMemoryException">Memory ran out; the message has the estimate and advice, the inner exception the failure.</exception>
    public static T Run<T>(VideoDiffusionModel model, VideoAlignmentOptions options, VideoReward reward, Func<T> training)
    {
        try
        {
            return training();
        }
        catch (Exception exception) when (exception is not InsufficientMemoryException && Caused(exception))
        {
            MemoryEstimate? estimate = Estimate(model, options, reward);
            string expected = estimate is null ? ""
                : $" These options are estimated to take {MemoryEstimate.InMegabytes(estimate.Peak)} (weights {MemoryEstimate.InMegabytes(estimate.Weights)}; "
                    + $"the peak is in {estimate.PeakPhase}{estimate.Remark}).";
            throw new InsufficientMemoryException(
                $"Memory ran out in training.{expected} "
                + $"What makes it smaller, first what costs least: {string.Join("; ", Advice(model, options, reward))}. {exception.Message}", exception);
        }
    }

    /// <inheritdoc cref="Run{T}(VideoDiffusionModel, VideoAlignmentOptions, VideoReward, Func{T})"/>
    public static void Run(VideoDiffusionModel model, VideoAlignmentOptions options, VideoReward reward, Action training) => Run(model, options, reward, () =>
    {
        training();
        return true;
    });

    /// <summary>Runs the generation of one video.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sampling">How the video is sampled.</param>
    /// <param name="generation">The generation.</param>
    /// <returns>What the generation returned.</returns>
    /// <exception cref="InsufficientMemoryException">Memory ran out; the message has the estimate and advice, the inner exception the failure.</exception>
    public static T Run<T>(VideoDiffusionModel model, SamplingSettings sampling, Func<T> generation)
    {
        try
        {
            return generation();
        }
        catch (Exception exception) when (exception is not InsufficientMemoryException && Caused(exception))
        {
            VideoSize size = sampling.Size;
            var options = new VideoAlignmentOptions
            {
                Sampling = new() { Frames = size.Frames, Height = size.Height, Width = size.Width, GuidanceScale = sampling.GuidanceScale },
            };
            string expected = Estimate(model, options, reward: null) is { } estimate
                ? $" It is estimated to take {MemoryEstimate.InMegabytes(estimate.GenerationPeak)}."
                : "";
            throw new InsufficientMemoryException(
                $"Memory ran out while a video was generated.{expected} What makes it smaller: {Smaller(size)}; {HalfWeights}. {exception.Message}", exception);
        }
    }

    private const string HalfWeights = $"weights in half precision ({nameof(VideoModelOptions)}.{nameof(VideoModelOptions.Precision)})";

    private static string Smaller(VideoSize size) =>
        $"smaller {VideoSamplingOptions.Record}.{nameof(VideoSamplingOptions.Frames)}, {nameof(VideoSamplingOptions.Height)} or "
        + $"{nameof(VideoSamplingOptions.Width)} "
        + $"(now {size.Frames} x {size.Height} x {size.Width})";

    private static IEnumerable<string> Advice(VideoDiffusionModel model, VideoAlignmentOptions options, VideoReward reward)
    {
        if (options.Memory.Recompute != ActivationRecompute.Steps)
        {
            ActivationRecompute more = options.Memory.Recompute == ActivationRecompute.None ? ActivationRecompute.Blocks : ActivationRecompute.Steps;
            yield return $"{OptionFaults.Name(options.Memory.Recompute)} = {more}";
        }

        int shown = options.ResolveFrames(reward).Count(options.ResolveSampling(model).RewardFrameCount(model));
        if (options.Algorithm.Definition.NeedsRewardGradient && shown > 1 && options.Memory.FramesPerDecode is not 1)
        {
            yield return string.Create(CultureInfo.InvariantCulture,
                $"{OptionFaults.Name(options.Memory.FramesPerDecode)} = 1 (now {options.Memory.FramesPerDecode ?? shown})");
        }

        if (options.Algorithm.Definition.NeedsRewardGradient && options.Memory.Tiling == ActivationTiling.None)
        {
            yield return $"{OptionFaults.Name(options.Memory.Tiling)} = {ActivationTiling.Decoder}";
        }

        IComputeDevice device = ComputeDevice.Describe(model.Device);
        if (ComputeDevice.HalfPrecision(device) is { } half
            && options.Memory.ResolvePrecision(device, model.Parts.Traits).Denoiser == ComputePrecision.Float32)
        {
            yield return $"{OptionFaults.Name(options.Memory.Precision)} = {half}";
        }

        if (options.Optimizer.BatchSize > 1)
        {
            yield return $"a smaller {OptionFaults.Name(options.Optimizer.BatchSize)} (now {options.Optimizer.BatchSize}), with "
                + $"{OptionFaults.Name(options.Optimizer.AccumulationSteps)} in its place";
        }

        foreach (string advice in options.Algorithm.Definition.SaveMemory())
        {
            yield return advice;
        }

        yield return HalfWeights;
        yield return Smaller(options.Sampling.ResolveSize(model));
    }

    // null where no estimate can be made with the memory that is left: the shortage is what must be reported.
    private static MemoryEstimate? Estimate(VideoDiffusionModel model, VideoAlignmentOptions options, VideoReward? reward)
    {
        try
        {
            return model.EstimateMemory(options, reward);
        }
        catch (Exception)
        {
            return null;
        }
    }
}
