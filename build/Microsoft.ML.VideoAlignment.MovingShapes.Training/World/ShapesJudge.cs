namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>
/// Reads from a video, by measurement and not by a network, what a caption would say: color from the mean hue of the colored pixels, motion from their
/// centroid and area over time, background from the rim's brightness, shape from the outline that overlaps best.
/// </summary>
internal static class ShapesJudge
{
    private const int Pixels = ShapesVideo.Size * ShapesVideo.Size;
    private const int VividPixels = 51;
    private const float LeastTravel = 6; // videos travel 12 to 16 pixels
    private const float LeastGrowth = 1.8f; // videos grow to 4.7 times the area; 3.7 between the means of two frames

    /// <summary>Areas of the shapes at radius 1.</summary>
    private static readonly float[] s_areas = [MathF.PI, 1.76f * 1.76f, 0.75f * MathF.Sqrt(3) * 1.69f, (2 * 2.2f * 0.76f) - (0.76f * 0.76f)];

    /// <summary>videos: [N, 3, 8, 32, 32], RGB in [0, 1] -> N subjects.</summary>
    public static IReadOnlyList<Subject> Read(Tensor videos) => [.. Measure(videos).Select(reading => reading.Subject)];

    /// <summary>
    /// videos: [N, 3, 8, 32, 32], RGB in [0, 1] -> what they show, and how many pixels the figure travels to the right and down within the video.
    /// </summary>
    public static IReadOnlyList<(Subject Subject, float Right, float Down)> Measure(Tensor videos)
    {
        using DisposeScope scope = NewDisposeScope();
        float[] pixels = videos.to_type(ScalarType.Float32).cpu().permute(0, 2, 1, 3, 4).contiguous().data<float>().ToArray();
        return [.. Enumerable.Range(0, (int)videos.shape[0])
            .Select(i => ReadOne(pixels.AsSpan(i * ShapesVideo.Frames * ShapesVideo.FrameLength, ShapesVideo.Frames * ShapesVideo.FrameLength)))];
    }

    private static (Subject Subject, float Right, float Down) ReadOne(ReadOnlySpan<float> video)
    {
        (double sine, double cosine) = (0, 0);
        float[] x = new float[ShapesVideo.Frames];
        float[] y = new float[ShapesVideo.Frames];
        float[] area = new float[ShapesVideo.Frames];
        float[] overlap = new float[Attributes.Shapes.Count];
        var rim = new List<float>();
        for (int frame = 0; frame < ShapesVideo.Frames; frame++)
        {
            ReadOnlySpan<float> pixels = video.Slice(frame * ShapesVideo.FrameLength, ShapesVideo.FrameLength);
            float[] chroma = Chroma(pixels);
            float top = chroma.OrderDescending().Take(VividPixels).Average();
            float[] mask = new float[Pixels]; // how much of the figure lies on the pixel
            for (int at = 0; at < Pixels; at++)
            {
                mask[at] = Math.Clamp((chroma[at] - (top / 4)) / (top / 2), 0, 1);
                area[frame] += mask[at];
                x[frame] += mask[at] * ((at % ShapesVideo.Size) + 0.5f);
                y[frame] += mask[at] * ((at / ShapesVideo.Size) + 0.5f);
                (float red, float green, float blue) = (pixels[at], pixels[at + Pixels], pixels[at + (2 * Pixels)]);
                if (chroma[at] > top / 2)
                {
                    double hue = Hue(red, green, blue, chroma[at]) * Math.PI / 180;
                    sine += chroma[at] * Math.Sin(hue);
                    cosine += chroma[at] * Math.Cos(hue);
                }
                else if (at % ShapesVideo.Size is < 2 or >= ShapesVideo.Size - 2 || at / ShapesVideo.Size is < 2 or >= ShapesVideo.Size - 2)
                {
                    rim.Add((0.299f * red) + (0.587f * green) + (0.114f * blue));
                }
            }

            area[frame] = Math.Max(area[frame], 1e-3f);
            (x[frame], y[frame]) = (x[frame] / area[frame], y[frame] / area[frame]);
            for (int shape = 0; shape < overlap.Length; shape++)
            {
                overlap[shape] += BestOverlap(mask, (Shape)shape, x[frame], y[frame], area[frame]);
            }
        }

        float gray = rim.Count == 0 ? 0.5f : rim.Order().ElementAt(rim.Count / 2);
        double mean = ((Math.Atan2(sine, cosine) * 180 / Math.PI) + 360) % 360;
        var subject = new Subject(
            Nearest(Attributes.Hues, hue => Math.Min(Math.Abs(hue - mean), 360 - Math.Abs(hue - mean))),
            (Shape)Array.IndexOf(overlap, overlap.Max()),
            MotionOf(x, y, area),
            Nearest(Attributes.Grays, level => Math.Abs(level - gray)));
        return (subject, Travel(x), Travel(y));
    }

    private static Motion MotionOf(float[] x, float[] y, float[] area)
    {
        (float right, float down) = (Travel(x), Travel(y));
        if (Math.Max(Math.Abs(right), Math.Abs(down)) > LeastTravel)
        {
            return Math.Abs(right) > Math.Abs(down) ? (right > 0 ? Motion.Right : Motion.Left) : (down > 0 ? Motion.Down : Motion.Up);
        }

        float growth = (area[^1] + area[^2]) / (area[0] + area[1]);
        return growth > LeastGrowth ? Motion.Growing : Motion.Still;
    }

    /// <summary>Slope of the least-squares line times the video's length.</summary>
    private static float Travel(float[] positions)
    {
        float middle = (positions.Length - 1) / 2f;
        float mean = positions.Average();
        float covariance = positions.Select((position, i) => (i - middle) * (position - mean)).Sum();
        return covariance / positions.Select((_, i) => (i - middle) * (i - middle)).Sum() * (positions.Length - 1);
    }

    private static float BestOverlap(float[] mask, Shape shape, float x, float y, float area)
    {
        float radius = MathF.Sqrt(area / s_areas[(int)shape]);
        float best = 0;
        foreach (float scale in (ReadOnlySpan<float>)[0.9f, 1, 1.1f])
        {
            (float common, float either) = (0, 0);
            for (int at = 0; at < Pixels; at++)
            {
                float coverage =
                    Math.Clamp(0.5f - Painter.Distance(shape, (at % ShapesVideo.Size) + 0.5f - x, (at / ShapesVideo.Size) + 0.5f - y, radius * scale), 0, 1);
                common += Math.Min(coverage, mask[at]);
                either += Math.Max(coverage, mask[at]);
            }

            best = Math.Max(best, common / either);
        }

        return best;
    }

    private static float[] Chroma(ReadOnlySpan<float> pixels)
    {
        float[] chroma = new float[Pixels];
        for (int at = 0; at < Pixels; at++)
        {
            (float red, float green, float blue) = (pixels[at], pixels[at + Pixels], pixels[at + (2 * Pixels)]);
            chroma[at] = Math.Max(red, Math.Max(green, blue)) - Math.Min(red, Math.Min(green, blue));
        }

        return chroma;
    }

    private static double Hue(float red, float green, float blue, float chroma)
    {
        float most = Math.Max(red, Math.Max(green, blue));
        double sixth = most == red ? (green - blue) / chroma : most == green ? 2 + ((blue - red) / chroma) : 4 + ((red - green) / chroma);
        return ((60 * sixth) + 360) % 360;
    }

    private static int Nearest(IReadOnlyList<float> values, Func<float, double> distance) =>
        Enumerable.Range(0, values.Count).MinBy(i => distance(values[i]));
}
