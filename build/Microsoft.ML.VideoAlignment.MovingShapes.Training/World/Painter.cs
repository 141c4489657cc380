namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>Paints frames [3, 32, 32], RGB in [0, 1], by plain arithmetic: coverage is the signed distance to the outline, clamped over one pixel.</summary>
internal static class Painter
{
    private const int Size = ShapesVideo.Size;

    /// <summary>Paints frame <paramref name="frame"/> of a video.</summary>
    public static void Paint(in ShapesVideo video, int frame, Span<float> pixels)
    {
        Paint(video.Backdrop, pixels);
        Paint(video.Figure, frame, pixels);
    }

    /// <summary>All eight frames of the videos: [N, 3, 8, 32, 32].</summary>
    public static Tensor PaintVideos(IReadOnlyList<ShapesVideo> videos)
    {
        float[] pixels = new float[videos.Count * ShapesVideo.Frames * ShapesVideo.FrameLength];
        Parallel.For(0, videos.Count * ShapesVideo.Frames, i =>
            Paint(videos[i / ShapesVideo.Frames], i % ShapesVideo.Frames, pixels.AsSpan(i * ShapesVideo.FrameLength, ShapesVideo.FrameLength)));
        using Tensor frames = tensor(pixels, [videos.Count, ShapesVideo.Frames, 3, Size, Size]);
        return frames.permute(0, 2, 1, 3, 4).contiguous();
    }

    /// <summary>One frame of each video: [N, 3, 32, 32].</summary>
    public static Tensor PaintFrames(IReadOnlyList<(ShapesVideo Video, int Frame)> frames)
    {
        float[] pixels = new float[frames.Count * ShapesVideo.FrameLength];
        for (int i = 0; i < frames.Count; i++)
        {
            Paint(frames[i].Video, frames[i].Frame, pixels.AsSpan(i * ShapesVideo.FrameLength, ShapesVideo.FrameLength));
        }

        return tensor(pixels, [frames.Count, 3, Size, Size]);
    }

    /// <summary>Fills the frame with the backdrop: the field is spread bilinearly, corners on corners.</summary>
    public static void Paint(in Backdrop backdrop, Span<float> pixels)
    {
        for (int y = 0; y < Size; y++)
        {
            for (int x = 0; x < Size; x++)
            {
                float gray = Math.Clamp(backdrop.Gray + (backdrop.Clutter * FieldAt(backdrop.Field, x, y)), 0, 1);
                for (int channel = 0; channel < 3; channel++)
                {
                    pixels[(((channel * Size) + y) * Size) + x] = gray;
                }
            }
        }
    }

    /// <summary>Lays the figure, where it is at this frame, over what is there.</summary>
    public static void Paint(in Figure figure, int frame, Span<float> pixels)
    {
        (float centerX, float centerY, float radius) = At(figure, frame);
        (float red, float green, float blue) = Rgb(figure.Hue, figure.Saturation, figure.Value);
        for (int y = 0; y < Size; y++)
        {
            for (int x = 0; x < Size; x++)
            {
                float coverage = Math.Clamp(0.5f - Distance(figure.Shape, x + 0.5f - centerX, y + 0.5f - centerY, radius), 0, 1);
                if (coverage > 0)
                {
                    int at = (y * Size) + x;
                    pixels[at] += coverage * (red - pixels[at]);
                    pixels[at + (Size * Size)] += coverage * (green - pixels[at + (Size * Size)]);
                    pixels[at + (2 * Size * Size)] += coverage * (blue - pixels[at + (2 * Size * Size)]);
                }
            }
        }
    }

    /// <summary>The box around the part of a figure that lies in the frame.</summary>
    public static Sighting Seen(in Figure figure, int frame)
    {
        (float x, float y, float radius) = At(figure, frame);
        (float side, float up, float down) = figure.Shape switch
        {
            Shape.Circle => (1f, 1f, 1f),
            Shape.Square => (0.88f, 0.88f, 0.88f),
            Shape.Triangle => (1.3f * MathF.Sqrt(3) / 2, 1.3f, 0.65f),
            _ => (1.1f, 1.1f, 1.1f),
        };
        return new Sighting(
            figure.Shape, Math.Max(x - (side * radius), 0), Math.Max(y - (up * radius), 0), Math.Min(x + (side * radius), Size),
                Math.Min(y + (down * radius), Size));
    }

    /// <summary>Signed distance (for corners: a bound of it) from a point to the outline around the origin, in pixels; negative inside.</summary>
    public static float Distance(Shape shape, float x, float y, float radius)
    {
        (float ax, float ay) = (Math.Abs(x), Math.Abs(y));
        float corner = 1.3f * radius;
        return shape switch
        {
            Shape.Circle => MathF.Sqrt((x * x) + (y * y)) - radius,
            Shape.Square => Math.Max(ax, ay) - (0.88f * radius),
            Shape.Triangle => Math.Max(y - (corner / 2), (MathF.Sqrt(3) / 2 * ax) - (y / 2) - (corner / 2)),
            _ => Math.Min(
                Math.Max(ax - (1.1f * radius), ay - (0.38f * radius)),
                Math.Max(ax - (0.38f * radius), ay - (1.1f * radius))),
        };
    }

    /// <summary>Where a figure is at a frame, and how large.</summary>
    private static (float CenterX, float CenterY, float Radius) At(in Figure figure, int frame)
    {
        float time = frame / (ShapesVideo.Frames - 1f);
        (float directionX, float directionY) = figure.Motion switch
        {
            Motion.Left => (-1, 0),
            Motion.Right => (1, 0),
            Motion.Up => (0, -1),
            Motion.Down => (0, 1),
            _ => (0, 0),
        };
        return (
            figure.CenterX + (directionX * figure.Travel * (time - 0.5f)),
            figure.CenterY + (directionY * figure.Travel * (time - 0.5f)),
            figure.Motion == Motion.Growing ? figure.Radius * (0.6f + (0.7f * time)) : figure.Radius);
    }

    private static float FieldAt(float[] field, int x, int y)
    {
        (float fx, float fy) = (x * 2f / (Size - 1), y * 2f / (Size - 1));
        (int x0, int y0) = (Math.Min((int)fx, 1), Math.Min((int)fy, 1));
        (float wx, float wy) = (fx - x0, fy - y0);
        float upper = (field[(y0 * 3) + x0] * (1 - wx)) + (field[(y0 * 3) + x0 + 1] * wx);
        float lower = (field[(y0 * 3) + 3 + x0] * (1 - wx)) + (field[(y0 * 3) + x0 + 4] * wx);
        return (upper * (1 - wy)) + (lower * wy);
    }

    private static (float Red, float Green, float Blue) Rgb(float hue, float saturation, float value)
    {
        return (Channel(5), Channel(3), Channel(1));

        float Channel(int n)
        {
            float k = (n + (hue / 60) + 6) % 6; // + 6: a jittered red is below zero degrees
            return value - (value * saturation * Math.Clamp(Math.Min(k, 4 - k), 0, 1));
        }
    }
}
