using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

public class RowSeedTests
{
    [Test]
    public void TheSeedDependsOnRunRowAndPrompt()
    {
        ulong[] seeds =
        [
            RowSeed.Derive(1, 0, "cat"), RowSeed.Derive(2, 0, "cat"), RowSeed.Derive(1, 1, "cat"), RowSeed.Derive(1, 0, "cats"), RowSeed.Derive(1, 0, ""),
        ];
        Assert.That(seeds, Is.Unique);
    }

    // SHA-256 of sixteen bytes (1 and 0, little-endian) and "cat"; a saved model must give the same videos under every later version.
    [Test]
    public void TheSeedNeverChangesBetweenVersions() => Assert.That(RowSeed.Derive(1, 0, "cat"), Is.EqualTo(9749695942679368789UL));
}
