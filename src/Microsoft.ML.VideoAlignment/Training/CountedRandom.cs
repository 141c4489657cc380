namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>The numbers of <see cref="System.Random"/> for a seed, counted, so that a run that goes on finds its place in them: .NET shows no other state of a generator.</summary>
/// <param name="seed">One seed, one sequence.</param>
internal sealed class CountedRandom(int seed) : System.Random(seed)
{
    /// <summary>More draws than any run makes; skipping as many takes minutes.</summary>
    public const long Longest = 1L << 34;

    /// <summary>Numbers drawn so far.</summary>
    public long Drawn { get; private set; }

    /// <summary>Goes to the place where <paramref name="drawn"/> numbers have been drawn; a place behind cannot be gone back to.</summary>
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
