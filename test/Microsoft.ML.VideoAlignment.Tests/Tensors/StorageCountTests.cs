using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is read of a tensor's memory is read only of the libtorch whose layout is known, and found to be there.</summary>
public class StorageCountTests
{
    private const int Known = 16;

    [Test]
    public void TheLibtorchThatIsLoadedHasTheKnownLayout()
    {
        ulong? version = StorageCount.LoadedVersion();
        Assert.That(version >> 48, Is.EqualTo(0x020a), "2.10");
        Assert.That(StorageCount.LayoutFault(version, Known), Is.Null);
        Assert.That(StorageCount.Require, Throws.Nothing);
    }

    [TestCase(0x020b_0000_0000_0000UL, "libtorch 2.11")]
    [TestCase(0x0300_0000_0000_0000UL, "libtorch 3.0")]
    [TestCase(null, "does not tell its version")]
    public void AnotherVersionIsNotReadAtAll(ulong? version, string expected) =>
        Assert.That(StorageCount.LayoutFault(version, int.MaxValue), Does.Contain(expected).And.Contains("2.10"), "at this offset nothing can be read");

    /// <summary>The table of virtual functions, the counts, and words that are no storage.</summary>
    [TestCase(0)]
    [TestCase(8)]
    [TestCase(24)]
    [TestCase(32)]
    [TestCase(40)]
    [TestCase(48)]
    public void AWordThatNamesNoStorageIsNotFollowed(int offset) =>
        Assert.That(StorageCount.LayoutFault(StorageCount.LoadedVersion(), offset), Does.Contain("otherwise"));

    [Test]
    public void HoldersAndBytesAreCounted()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tensor = zeros(4, 6, dtype: ScalarType.Float32), apart = zeros(1);
        nint storage = StorageCount.StorageAddress(tensor);
        Assert.That((StorageCount.Holders(tensor), StorageCount.Bytes(tensor)), Is.EqualTo((1u, 96L)));
        using (Tensor row = tensor[1])
        {
            Assert.That((StorageCount.StorageAddress(row), StorageCount.Holders(row), StorageCount.Bytes(row)), Is.EqualTo((storage, 2u, 96L)));
        }

        Assert.That(StorageCount.Holders(tensor), Is.EqualTo(1u));
        Assert.That(StorageCount.StorageAddress(apart), Is.Not.EqualTo(storage));
    }
}
