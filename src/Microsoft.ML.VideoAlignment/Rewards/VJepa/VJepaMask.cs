namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// One way of hiding parts of a video: several blocks, all of one size drawn per call, at places drawn one by one; what they cover together is predicted
/// from the rest. Names as in the <c>mask</c> section of V-JEPA's training configurations.
/// </summary>
public sealed record VJepaMask
{
    /// <summary>The official first mask: 8 blocks of 15 % of the image, over the whole time.</summary>
    public static VJepaMask ShortRange { get; } = new() { Blocks = 8, SpatialScale = (0.15, 0.15) };

    /// <summary>The official second mask: 2 blocks of 70 % of the image, over the whole time.</summary>
    public static VJepaMask LongRange { get; } = new() { Blocks = 2, SpatialScale = (0.7, 0.7) };

    /// <summary>Number of blocks; default 8.</summary>
    public int Blocks { get; init; } = 8;

    /// <summary>Least and largest height over width of a block; default 0.75 .. 1.5.</summary>
    public (double Low, double High) AspectRatio { get; init; } = (0.75, 1.5);

    /// <summary>Least and largest share of the image that a block covers, above 0, at most 1; default 0.15 .. 0.15.</summary>
    public (double Low, double High) SpatialScale { get; init; } = (0.15, 0.15);

    /// <summary>Least and largest share of the time that a block covers, above 0, at most 1; default 1 .. 1.</summary>
    public (double Low, double High) TemporalScale { get; init; } = (1, 1);

    /// <summary>Share of the time from whose beginning the prediction is made; default 1. Below 1 the rest is predicted too.</summary>
    public double MaxTemporalKeep { get; init; } = 1;

    /// <summary>Most tokens that a prediction is made from; default: no limit.</summary>
    public int? MaxKeep { get; init; }

    /// <summary>What is out of range, one text each.</summary>
    internal IEnumerable<string> Faults()
    {
        if (Blocks < 1)
        {
            yield return $"{nameof(Blocks)} must be at least 1, got {Blocks}";
        }

        foreach ((string name, (double low, double high), double most) in new[]
        {
            (nameof(AspectRatio), AspectRatio, double.MaxValue), (nameof(SpatialScale), SpatialScale, 1), (nameof(TemporalScale), TemporalScale, 1),
        })
        {
            if (!(low > 0 && low <= high && high <= most))
            {
                yield return $"{name} must run upwards from above 0{(most == 1 ? " to 1 at most" : "")}, got {low} .. {high}";
            }
        }

        if (!(MaxTemporalKeep is > 0 and <= 1))
        {
            yield return $"{nameof(MaxTemporalKeep)} must be above 0 and at most 1, got {MaxTemporalKeep}";
        }

        if (MaxKeep < 1)
        {
            yield return $"{nameof(MaxKeep)} must be at least 1 or null, got {MaxKeep}";
        }
    }
}
