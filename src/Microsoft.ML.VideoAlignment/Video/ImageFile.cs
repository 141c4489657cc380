using System.Runtime.InteropServices;
using SkiaSharp;

namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>An image file, still or animated: the one decoder of image columns, of images that prompts name and of <c>VideoFile</c>.</summary>
/// <remarks>
/// Frames come upright as the Exif orientation says, on white where they are transparent, and without regard to color profiles, as
/// <c>PIL.Image.convert("RGB")</c> reads them.
/// </remarks>
internal sealed class ImageFile : IDisposable
{
    private readonly string _path;
    private readonly SKData _data;
    private readonly SKCodec _codec;
    private readonly int _orientation;

    private ImageFile(string path, SKData data, SKCodec codec, int orientation) => (_path, _data, _codec, _orientation) = (path, data, codec, orientation);

    /// <summary>The height of the upright image in pixels.</summary>
    public int Height => ImageOrientation.SwapsSides(_orientation) ? _codec.Info.Width : _codec.Info.Height;

    /// <summary>The width of the upright image in pixels.</summary>
    public int Width => ImageOrientation.SwapsSides(_orientation) ? _codec.Info.Height : _codec.Info.Width;

    /// <summary>The height and width of the stored pixels, and the Exif orientation that makes them upright.</summary>
    public (int Height, int Width, int Orientation) Stored => (_codec.Info.Height, _codec.Info.Width, _orientation);

    /// <summary>The number of frames, at least 1. The whole file is read to count them.</summary>
    public int FrameCount => Math.Max(1, _codec.FrameCount);

    /// <summary>Whether the file declares more frames than are read: an animated PNG, of which the decoder reads only the first.</summary>
    public bool HidesFrames => _codec.EncodedFormat == SKEncodedImageFormat.Png && PngChunk.FrameCount(_data.AsSpan()) > FrameCount;

    /// <summary>Reads a file and its header, but no pixels.</summary>
    /// <param name="path">The file. Its name is taken literally.</param>
    /// <param name="limits">The largest file that is accepted.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is not the image that its extension says, it is damaged, or larger than the limits.</exception>
    public static ImageFile Open(string path, ImageLimits limits)
    {
        SKData data = Content(path, limits);
        SKCodec? codec = null;
        try
        {
            bool png = ImageFormat.Require(path, data.AsSpan()).Name == "PNG";
            codec = SKCodec.Create(data)
                ?? throw new InvalidDataException($"'{path}' is not a readable image: its header is damaged or cut short. Write the file again.");
            long pixels = (long)codec.Info.Width * codec.Info.Height;
            return pixels <= limits.MaxPixels
                ? new ImageFile(path, data, codec, png ? ExifOrientation.ReadPng(data.AsSpan()) : (int)codec.EncodedOrigin)
                : throw new InvalidDataException(
                    $"'{path}' declares {codec.Info.Width} x {codec.Info.Height} pixels, {pixels:N0} in all: expected at most {limits.MaxPixels:N0}. "
                    + $"Make it smaller, or raise {nameof(ImageLimits.MaxPixels)}.");
        }
        catch
        {
            codec?.Dispose();
            data.Dispose();
            throw;
        }
    }

    /// <summary>Decodes the first frame, upright.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or cut short.</exception>
    public RgbImage DecodeFirst() => DecodeFrames().First();

    /// <summary>Decodes every frame as it is shown, upright; frames that store only what changed are completed.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or cut short.</exception>
    public IEnumerable<RgbImage> DecodeFrames()
    {
        SKImageInfo info = new(_codec.Info.Width, _codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Premul); // no color space: no conversion
        byte[] canvas = new byte[info.BytesSize];
        (byte[] Pixels, int Frame)? kept = null;
        int count = FrameCount;
        for (int frame = 0; frame < count; frame++)
        {
            SKCodecFrameInfo? animation = _codec.GetFrameInfo(frame, out SKCodecFrameInfo found) ? found : null;
            int prior = -1;
            if (animation is { RequiredFrame: >= 0 } needs && kept is { } last && last.Frame >= needs.RequiredFrame)
            {
                last.Pixels.CopyTo(canvas, 0);
                prior = last.Frame;
            }

            Decode(info, canvas, frame, prior);
            if (animation is { } shown && shown.DisposalMethod != SKCodecAnimationDisposalMethod.RestorePrevious && frame + 1 < count)
            {
                byte[] copy = kept?.Pixels ?? new byte[canvas.Length];
                canvas.CopyTo(copy, 0);
                kept = (copy, frame);
            }

            yield return ImageOrientation.Apply(RgbImage.FromPremultiplied(canvas, info.Height, info.Width), _orientation);
        }
    }

    /// <summary>How long a frame is shown, as in browsers: times of 10 ms or less count as 100 ms.</summary>
    /// <param name="frame">The index of the frame, from 0.</param>
    public TimeSpan GetDuration(int frame) =>
        TimeSpan.FromMilliseconds(_codec.GetFrameInfo(frame, out SKCodecFrameInfo info) && info.Duration > 10 ? info.Duration : 100);

    /// <inheritdoc/>
    public void Dispose()
    {
        _codec.Dispose();
        _data.Dispose();
    }

    private static SKData Content(string path, ImageLimits limits)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            throw new FileNotFoundException($"'{path}' does not exist: expected an image file.", path);
        }

        // Pipes and devices have no length, and opening them may never end.
        if (file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
        {
            file = target;
        }

        if (file.Length == 0)
        {
            throw new InvalidDataException($"'{path}' is not a readable image: it is empty.");
        }

        if (file.Length > limits.MaxFileBytes)
        {
            throw new InvalidDataException(
                $"'{path}' has {file.Length:N0} bytes: expected at most {limits.MaxFileBytes:N0}. "
                + $"Make it smaller, or raise {nameof(ImageLimits.MaxFileBytes)}.");
        }

        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        return SKData.Create(stream, file.Length)
            ?? throw new EndOfStreamException($"'{path}' became shorter while it was read: wait until it is completely written.");
    }

    private void Decode(SKImageInfo info, byte[] canvas, int frame, int prior)
    {
        GCHandle pinned = GCHandle.Alloc(canvas, GCHandleType.Pinned);
        try
        {
            SKCodecResult result = _codec.GetPixels(info, pinned.AddrOfPinnedObject(), new SKCodecOptions(frame, prior));
            if (result != SKCodecResult.Success)
            {
                string where = FrameCount > 1 ? $"frame {frame} is " : "it is ";
                throw new InvalidDataException($"'{_path}' is not a readable image: {where}damaged or cut short ({result}). Write the file again.");
            }
        }
        finally
        {
            pinned.Free();
        }
    }
}
