using System.Runtime.InteropServices;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>
/// A video in memory: T frames of RGB floats in [0, 1], in the layout [T, 3, H, W] of the video column of a transformed <see cref="IDataView"/>.
/// </summary>
public sealed class VideoClip
{
    private readonly float[] _values;

    /// <summary>Creates a video from a copy of the values.</summary>
    /// <param name="values">[T, 3, H, W], flat, RGB in [0, 1]; values outside are clamped on writing.</param>
    /// <param name="frames">T, at least 1.</param>
    /// <param name="height">H in pixels, at least 1.</param>
    /// <param name="width">W in pixels, at least 1.</param>
    /// <exception cref="ArgumentException">The number of values is not T * 3 * H * W.</exception>
    public VideoClip(ReadOnlySpan<float> values, int frames, int height, int width)
        : this(values.ToArray(), frames, height, width, owned: true)
    {
    }

    private VideoClip(float[] values, int frames, int height, int width, bool owned)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(frames, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        long expected = 3L * frames * height * width;
        if (values.Length != expected)
        {
            throw new ArgumentException($"A clip of [T {frames}, C 3, H {height}, W {width}] has {expected} values, got {values.Length}.", nameof(values));
        }

        _values = owned ? values : [.. values];
        (Frames, Height, Width) = (frames, height, width);
    }

    /// <summary>T.</summary>
    public int Frames { get; }

    /// <summary>H in pixels.</summary>
    public int Height { get; }

    /// <summary>W in pixels.</summary>
    public int Width { get; }

    /// <summary>The values, [T, 3, H, W].</summary>
    public ReadOnlySpan<float> Values => _values;

    /// <summary>Creates a video from a tensor.</summary>
    /// <param name="frames">[T, 3, H, W] on any device, RGB in [0, 1]; copied.</param>
    /// <exception cref="ArgumentException">The tensor has another shape.</exception>
    public static VideoClip FromTensor(Tensor frames)
    {
        ArgumentNullException.ThrowIfNull(frames);
        if (frames.shape is not [var t, 3, var h, var w])
        {
            throw new ArgumentException($"Expected frames [T, 3, H, W], got [{string.Join(", ", frames.shape)}].", nameof(frames));
        }

        using Tensor plain = frames.detach();
        using Tensor host = plain.cpu();
        using Tensor single = host.to_type(ScalarType.Float32);
        using Tensor packed = single.contiguous();
        return new VideoClip(MemoryMarshal.Cast<byte, float>(packed.bytes), (int)t, (int)h, (int)w);
    }

    /// <summary>Creates a video from a value of a video column.</summary>
    /// <param name="value">The value; copied.</param>
    /// <param name="columnType">The type of the column, which carries the shape: <c>Vector&lt;Single, T, 3, H, W&gt;</c>.</param>
    /// <exception cref="ArgumentException">The column is of another type.</exception>
    public static VideoClip FromColumn(in VBuffer<float> value, DataViewType columnType)
    {
        if (columnType is not VectorDataViewType { Dimensions: [var t, 3, var h, var w] })
        {
            throw new ArgumentException($"Expected a column of Vector<Single, T, 3, H, W>, got {columnType}.", nameof(columnType));
        }

        float[] dense = new float[value.Length];
        value.CopyTo(dense);
        return new VideoClip(dense, t, h, w, owned: true);
    }

    /// <summary>Arranges clips in rows and columns, in reading order, with lines between them.</summary>
    /// <param name="clips">At least one; all of the same frames, height and width.</param>
    /// <param name="columns">Clips per row, at least 1; the last row may be shorter.</param>
    /// <param name="gap">Width of the lines in pixels.</param>
    /// <param name="background">Brightness of the lines and of empty cells, from 0 to 1.</param>
    /// <exception cref="ArgumentException">There is no clip, or the clips differ in size.</exception>
    public static VideoClip Grid(IReadOnlyList<VideoClip> clips, int columns, int gap = 1, float background = 1)
    {
        ArgumentNullException.ThrowIfNull(clips);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(gap);
        if (clips.Count == 0)
        {
            throw new ArgumentException("A grid needs at least one clip.", nameof(clips));
        }

        VideoClip first = clips[0];
        foreach (VideoClip clip in clips)
        {
            if ((clip.Frames, clip.Height, clip.Width) != (first.Frames, first.Height, first.Width))
            {
                throw new ArgumentException($"Clips in a grid share one size: {first} and {clip}.", nameof(clips));
            }
        }

        columns = Math.Min(columns, clips.Count);
        int rows = (clips.Count + columns - 1) / columns;
        int height = (rows * (first.Height + gap)) - gap;
        int width = (columns * (first.Width + gap)) - gap;
        float[] values = new float[3 * first.Frames * height * width];
        Array.Fill(values, background);
        for (int index = 0; index < clips.Count; index++)
        {
            int top = index / columns * (first.Height + gap);
            int left = index % columns * (first.Width + gap);
            for (int plane = 0; plane < 3 * first.Frames; plane++)
            {
                for (int y = 0; y < first.Height; y++)
                {
                    clips[index].Values.Slice(((plane * first.Height) + y) * first.Width, first.Width)
                        .CopyTo(values.AsSpan((((plane * height) + top + y) * width) + left));
                }
            }
        }

        return new VideoClip(values, first.Frames, height, width, owned: true);
    }

    /// <summary>Arranges the frames in one row, as a clip of one frame.</summary>
    /// <param name="gap">Width of the lines between them in pixels.</param>
    /// <param name="background">Brightness of the lines, from 0 to 1.</param>
    public VideoClip FrameStrip(int gap = 1, float background = 1) => Grid([.. Enumerable.Range(0, Frames).Select(Frame)], Frames, gap, background);

    /// <summary>Copies one frame, as a clip of one frame.</summary>
    /// <param name="index">From 0 to T - 1.</param>
    public VideoClip Frame(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Frames);
        int size = 3 * Height * Width;
        return new VideoClip(Values.Slice(index * size, size), 1, Height, Width);
    }

    /// <inheritdoc/>
    public override string ToString() => $"[T {Frames}, C 3, H {Height}, W {Width}]";

    /// <summary>Creates a video that takes over the values without a copy.</summary>
    /// <param name="values">[T, 3, H, W], flat.</param>
    /// <param name="frames">T.</param>
    /// <param name="height">H in pixels.</param>
    /// <param name="width">W in pixels.</param>
    internal static VideoClip TakeOver(float[] values, int frames, int height, int width) => new(values, frames, height, width, owned: true);

    /// <summary>Converts one frame to 8-bit RGB pixels [H, W, 3].</summary>
    /// <param name="frame">From 0 to T - 1.</param>
    /// <param name="scale">Each pixel becomes scale x scale.</param>
    internal byte[] ToPixels(int frame, int scale)
    {
        int wide = checked(Width * scale);
        byte[] pixels = new byte[checked(3 * Height * scale * wide)];
        int plane = Height * Width;
        for (int y = 0; y < Height; y++)
        {
            Span<byte> row = pixels.AsSpan(3 * y * scale * wide, 3 * wide);
            for (int x = 0; x < wide; x++)
            {
                for (int channel = 0; channel < 3; channel++)
                {
                    float value = _values[(((frame * 3) + channel) * plane) + (y * Width) + (x / scale)];
                    row[(3 * x) + channel] = (byte)((Math.Clamp(float.IsNaN(value) ? 0 : value, 0, 1) * 255) + 0.5f);
                }
            }

            for (int copy = 1; copy < scale; copy++)
            {
                row.CopyTo(pixels.AsSpan(3 * ((y * scale) + copy) * wide));
            }
        }

        return pixels;
    }
}
