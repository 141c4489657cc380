namespace Microsoft.ML.VideoAlignment;

/// <summary>How frozen weights are stored.</summary>
public enum WeightPrecision
{
    /// <summary>float32: 4 bytes a weight.</summary>
    Full,

    /// <summary>bfloat16: 2 bytes, the range of float32 and 8 bits of mantissa.</summary>
    BrainHalf,

    /// <summary>float16: 2 bytes, 11 bits of mantissa.</summary>
    Half,
}

/// <summary>What a <see cref="WeightPrecision"/> is in libtorch.</summary>
internal static class WeightPrecisionDtype
{
    /// <exception cref="ArgumentOutOfRangeException">The value is none of the enum's.</exception>
    public static ScalarType Dtype(this WeightPrecision precision) => precision switch
    {
        WeightPrecision.Full => ScalarType.Float32,
        WeightPrecision.BrainHalf => ScalarType.BFloat16,
        WeightPrecision.Half => ScalarType.Float16,
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "Unknown precision."),
    };
}
