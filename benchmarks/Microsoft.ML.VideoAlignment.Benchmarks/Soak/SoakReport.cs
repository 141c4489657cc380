using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// What a long run left: two windows of readings are compared, the second quarter of the run and its last; before, the process warms up.
/// </summary>
/// <param name="Readings">The readings in the order of the steps, at even distances.</param>
/// <param name="FilesLeft">Files and folders in the temporary folder when everything had been disposed.</param>
internal sealed record SoakReport(IReadOnlyList<SoakReading> Readings, IReadOnlyList<string> FilesLeft)
{
    /// <summary>The most that the resident memory may grow from one window to the other.</summary>
    public const double LargestGrowth = 0.02;

    private IReadOnlyList<SoakReading> Early => [.. Readings.Skip(Readings.Count / 4).Take(Readings.Count / 4)];

    private IReadOnlyList<SoakReading> Late => [.. Readings.Skip(Readings.Count - (Readings.Count / 4))];

    /// <summary>Live tensors, the most of each window: algorithms that gather samples hold more of them at some steps than at others.</summary>
    public (long Early, long Late) Tensors => (Early.Max(reading => reading.Tensors), Late.Max(reading => reading.Tensors));

    /// <summary>Tensors of the training thread that were not disposed, the most of each window.</summary>
    public (long Early, long Late) InScopes => (Early.Max(reading => reading.InScopes), Late.Max(reading => reading.InScopes));

    /// <summary>Resident bytes, the median of each window.</summary>
    public (long Early, long Late) Resident => (Median(Early, reading => reading.ResidentBytes), Median(Late, reading => reading.ResidentBytes));

    /// <summary>Growth of the resident memory between the windows as a share.</summary>
    public double Growth => (Resident.Late / (double)Resident.Early) - 1;

    /// <summary>Lists what is not as it should be, a sentence each.</summary>
    /// <param name="memory">Whether the resident memory is looked at: a short run says nothing about it.</param>
    public IEnumerable<string> Faults(bool memory)
    {
        if (Tensors.Late > Tensors.Early)
        {
            yield return $"live tensors grow from {Tensors.Early} to {Tensors.Late}";
        }

        if (InScopes.Late > InScopes.Early)
        {
            yield return $"tensors that are not disposed grow from {InScopes.Early} to {InScopes.Late}";
        }

        if (memory && Growth > LargestGrowth)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"resident memory grows by {Growth:p1}, more than {LargestGrowth:p0}");
        }

        if (FilesLeft.Count > 0)
        {
            yield return $"left in the temporary folder: {string.Join(", ", FilesLeft)}";
        }
    }

    private static long Median(IReadOnlyList<SoakReading> window, Func<SoakReading, long> value) => window.Select(value).Order().ElementAt(window.Count / 2);
}
