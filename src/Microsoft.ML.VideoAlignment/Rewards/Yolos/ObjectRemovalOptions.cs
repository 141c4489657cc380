namespace Microsoft.ML.VideoAlignment;

/// <summary>How <see cref="VideoRewards.ObjectRemoval"/> looks for the object. Defaults are those of VADER's released code (commit adaf2ef).</summary>
public sealed record ObjectRemovalOptions
{
    /// <summary>A detection counts when its probability is above this, 0 .. 1. Default: 0.2.</summary>
    public double Threshold { get; init; } = 0.2;

    /// <summary>Height that frames are brought to, in pixels; the width follows. Default: 512.</summary>
    /// <remarks>Smaller is faster and sees less.</remarks>
    public int Height { get; init; } = 512;

    /// <summary>How the detector's weights are stored; it computes in float32 whatever this says. Default: float32.</summary>
    public WeightPrecision Precision { get; init; } = WeightPrecision.Float32;

    /// <summary>Checks the record itself; all faults in one message.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    internal void Validate()
    {
        var faults = new List<string>();
        if (!(Threshold >= 0 && Threshold < 1))
        {
            faults.Add($"{nameof(Threshold)} must be a probability below 1, got {Threshold}");
        }

        if (Height < 1)
        {
            faults.Add($"{nameof(Height)} must be at least 1 pixel, got {Height}");
        }

        if (faults.Count > 0)
        {
            throw new ArgumentException($"{nameof(ObjectRemovalOptions)}: {string.Join("; ", faults)}.");
        }
    }
}
