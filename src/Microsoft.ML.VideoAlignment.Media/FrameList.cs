using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>Collects the frames of a video as they are read, all of one size, within limits.</summary>
/// <param name="path">The file or folder, for errors.</param>
/// <param name="options">Limits and sampling rate.</param>
/// <param name="cancellation">Ends the reading.</param>
internal sealed class FrameList(string path, VideoReadOptions options, CancellationToken cancellation)
{
    private readonly List<RgbImage> _frames = [];

    /// <summary>Adds the first frame of an image file.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="InvalidDataException">The file is damaged or exceeds a limit.</exception>
    public void AddFirst(string file)
    {
        using ImageFile image = Open(file);
        Add(image.DecodeFirst());
    }

    /// <summary>Adds the frames of an image file: each once, or those that are shown at the sampled times.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="InvalidDataException">The file is damaged or exceeds a limit.</exception>
    public void AddAll(string file)
    {
        using ImageFile image = Open(file);
        int count = image.FrameCount;
        if (options.FramesPerSecond is not { } rate || count == 1)
        {
            Require(count, (long)image.Height * image.Width);
            foreach (RgbImage frame in image.DecodeFrames())
            {
                Add(frame);
            }

            return;
        }

        TimeSpan[] ends = new TimeSpan[count];
        for (int frame = 0; frame < count; frame++)
        {
            ends[frame] = (frame == 0 ? TimeSpan.Zero : ends[frame - 1]) + image.GetDuration(frame);
        }

        double samples = Math.Max(1, Math.Round(ends[^1].TotalSeconds * rate));
        Require(samples, (long)image.Height * image.Width);
        int sample = 0;
        foreach ((RgbImage frame, TimeSpan end) in image.DecodeFrames().Zip(ends))
        {
            // The middle of a sample's time, so that the rounding of times in the file does not matter.
            for (; sample < samples && ((sample + 0.5) / rate < end.TotalSeconds || end == ends[^1]); sample++)
            {
                Add(frame);
            }
        }
    }

    /// <summary>Adds a frame.</summary>
    /// <param name="frame">Its pixels.</param>
    /// <exception cref="InvalidDataException">The frame has another size than the first, or exceeds a limit.</exception>
    public void Add(RgbImage frame)
    {
        cancellation.ThrowIfCancellationRequested();
        if (_frames.Count > 0 && (frame.Height, frame.Width) != (_frames[0].Height, _frames[0].Width))
        {
            throw new InvalidDataException(
                $"'{path}': frame {_frames.Count} is {frame.Width} x {frame.Height}, the first {_frames[0].Width} x {_frames[0].Height}; "
                + "frames of a video share one size.");
        }

        Require(_frames.Count + 1, (long)frame.Height * frame.Width);
        _frames.Add(frame);
    }

    /// <summary>Refuses a file of too many bytes.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="InvalidDataException">The file is larger than the limit.</exception>
    public void RequireFileSize(string file)
    {
        long bytes = new FileInfo(file).Length;
        if (bytes > options.MaxFileBytes)
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"'{file}' has {bytes:N0} bytes: expected at most {options.MaxFileBytes:N0}. ")
                + $"Make it smaller, or raise {Option(nameof(options.MaxFileBytes))}.");
        }
    }

    /// <summary>Converts the frames, bytes [H, W, RGB], to a video [T, 3, H, W].</summary>
    public VideoClip ToClip()
    {
        (int height, int width) = (_frames[0].Height, _frames[0].Width);
        int plane = height * width;
        float[] values = new float[3 * _frames.Count * plane];
        for (int frame = 0; frame < _frames.Count; frame++)
        {
            byte[] bytes = _frames[frame].Bytes;
            for (int channel = 0; channel < 3; channel++)
            {
                Span<float> target = values.AsSpan(((frame * 3) + channel) * plane, plane);
                for (int pixel = 0; pixel < plane; pixel++)
                {
                    target[pixel] = bytes[(3 * pixel) + channel] / 255f;
                }
            }
        }

        return VideoClip.TakeOver(values, _frames.Count, height, width);
    }

    private static string Option(string name) => $"{nameof(VideoReadOptions)}.{name}";

    private ImageFile Open(string file)
    {
        RequireFileSize(file);
        ImageFile image = ImageFile.Open(file, new ImageLimits { MaxFileBytes = options.MaxFileBytes, MaxPixels = options.MaxPixels });
        if (image.HidesFrames)
        {
            image.Dispose();
            throw new InvalidDataException(
                $"'{file}' is an animated PNG, of which only the first frame could be read. "
                + $"Convert it to GIF, WebP or MP4 (such as 'ffmpeg -i {Path.GetFileName(file)} video.gif').");
        }

        return image;
    }

    private void Require(double frames, long pixels)
    {
        if (frames > options.MaxFrames)
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"'{path}' has {frames:N0} frames or more: expected at most {options.MaxFrames:N0}. ")
                + $"Cut it, sample it by {Option(nameof(options.FramesPerSecond))}, or raise {Option(nameof(options.MaxFrames))}.");
        }

        if (frames * pixels > Math.Min(options.MaxPixels, Array.MaxLength / 3))
        {
            long most = Math.Min(options.MaxPixels, Array.MaxLength / 3);
            throw new InvalidDataException(FormattableString.Invariant(
                $"'{path}' has {frames:N0} frames or more of {pixels:N0} pixels: expected at most {most:N0} pixels in all. ")
                + $"Make it smaller or shorter, sample it by {Option(nameof(options.FramesPerSecond))}, or raise {Option(nameof(options.MaxPixels))}.");
        }
    }
}
