namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// The numbers of <see cref="System.Random"/> for a seed, counted, so that a resumed run finds its place in them: .NET gives no other access to a generator's
/// state.
/// </summary>
/// <param name="seed">The seed; the same seed gives the same sequence.</param>
internal sealed class CountedRandom(int seed) : System.Random(seed)
{
    /// <summary>More draws than any run makes; skipping that many takes minutes.</summary>
    public const long Longest = 1L << 34;

    /// <summary>Numbers drawn so far.</summary>
    public long Drawn { get; private set; }

    /// <summary>Skips numbers until a given number of them has been drawn.</summary>
    /// <param name="drawn">The number, at least <see cref="Drawn"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">More numbers have been drawn already.</exception>
    public void SkipTo(long drawn)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(drawn, Drawn);
        while (Drawn < drawn)
        {
            _ = Sample();
        }
    }

    protected override double Sample()
    {
        Drawn++;
        return base.Sample();
    }
}
