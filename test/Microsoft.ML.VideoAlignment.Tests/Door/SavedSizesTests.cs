using System.Buffers.Binary;
using System.IO.Compression;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A small saved model does not fill memory or the disk, whatever sizes it declares and whatever it unpacks to.</summary>
public class SavedSizesTests
{
    private const int Mega = 1 << 20;

    private readonly DoorRig _rig = new();

    [Test]
    public void AnEntryThatUnpacksToFarMoreThanItHasIsRefused()
    {
        byte[] bomb = SavedZip.Change(Saved(), (name, content) => name == "adapters.safetensors" ? new byte[48 * Mega] : content);
        Assert.That(bomb, Has.Length.LessThan(Mega));
        Assert.That(SavedZip.Refusal(Loading(), bomb), Does.Contain("packed bytes would unpack to").And.Contains("made to fill memory"));
    }

    [Test]
    public void ManyEntriesAreCountedTogether()
    {
        string folder = Directory.CreateTempSubdirectory("sizes").FullName;
        try
        {
            File.WriteAllBytes(Path.Combine(folder, "a"), new byte[20 * Mega]);
            File.WriteAllBytes(Path.Combine(folder, "b"), new byte[20 * Mega]);
            var rig = new DoorRig { Model = new TinyVideoModel(folder) };
            using var zip = new MemoryStream();
            rig.Context.Model.Save(rig.Estimator(DoorRig.ThreeSteps with { IncludeBaseModel = true }).Fit(rig.Prompts), rig.Prompts.Schema, zip);
            string opened = "";
            rig.Opener = source =>
            {
                opened = source;
                return new TinyVideoModel(source);
            };
            Assert.That(SavedZip.Refusal(rig.Loading(), zip.ToArray()), Does.Contain("made to fill memory"));
            Assert.That(opened, Is.Empty);
            SavedZip.Load(rig.Loading(), SavedZip.Change(zip.ToArray(), (_, content) => content, CompressionLevel.NoCompression)).Dispose();
            Assert.That(opened, Is.Not.Empty, "the same, packed as it is");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void SettingsHaveALimitOfTheirOwn()
    {
        byte[] large = SavedZip.Change(Saved(), (name, content) => name == "settings.json" ? [.. content, .. Enumerable.Repeat((byte)' ', 17 * Mega)] : content,
            CompressionLevel.NoCompression);
        Assert.That(SavedZip.Refusal(Loading(), large), Does.Contain("settings.json").And.Contains("at most"));
    }

    /// <summary>ML.NET unpacks by this call: a directory that lies about a size cannot make it go on.</summary>
    [Test]
    public void WhatIsUnpackedIsBoundByTheDeclaredSize()
    {
        byte[] honest = SavedZip.Change(Saved(), (name, content) => name == "settings.json" ? new byte[2 * Mega] : content);
        byte[] lie = [.. honest];
        int place = lie.AsSpan().LastIndexOf("settings.json"u8);
        int header = lie.AsSpan(0, place).LastIndexOf("PK\u0001\u0002"u8);
        BinaryPrimitives.WriteUInt32LittleEndian(lie.AsSpan(header + 24), 1000);
        using (var archive = new ZipArchive(new MemoryStream(lie)))
        {
            using Stream content = archive.Entries.Single(entry => entry.Name == "settings.json").Open();
            using var unpacked = new MemoryStream();
            Assert.That(
                () =>
                {
                    try
                    {
                        content.CopyTo(unpacked);
                    }
                    catch (InvalidDataException)
                    {
                        // The lie is found out.
                    }
                },
                Throws.Nothing);
            Assert.That(unpacked.Length, Is.LessThanOrEqualTo(1000));
        }

        Assert.That(SavedZip.Refusal(Loading(), lie), Does.Contain("settings"));
    }

    [Test]
    public void AScoringIsHeldToTheSameLimits()
    {
        IDataView videos = _rig.Estimator().Fit(_rig.Prompts).Transform(_rig.Prompts);
        using VideoReward reward = MovingShapesRewards.TrueRating();
        using var zip = new MemoryStream();
        _rig.Context.Model.Save(_rig.Context.Transforms.ScoreVideo("Score", "Video", reward).Fit(videos), videos.Schema, zip);
        byte[] bomb = SavedZip.Change(zip.ToArray(), (name, content) => name == "reward.json" ? new byte[48 * Mega] : content);
        Assert.That(SavedZip.Refusal(Loading(), bomb), Does.Contain("made to fill memory"));
        byte[] cut = SavedZip.Change(zip.ToArray(), (name, content) => name == "reward.json" ? content[..^5] : content);
        Assert.That(SavedZip.Refusal(Loading(), cut), Does.Contain("reward.json").And.Contains("damaged"));
        byte[] incomplete = SavedZip.Change(zip.ToArray(), (name, content) => name == "reward.json" ? null : content);
        Assert.That(SavedZip.Refusal(Loading(), incomplete), Does.Contain("incomplete"));
    }

    /// <summary>A lost or renamed entry would give the base model's videos without a word.</summary>
    [Test]
    public void AnAlignmentWithoutItsAdaptersIsRefused() => Assert.That(
        SavedZip.Refusal(Loading(), SavedZip.Change(Saved(), (name, content) => name == "adapters.safetensors" ? null : content)),
            Does.Contain("does not hold adapters.safetensors"));

    private MLContext Loading() => _rig.Loading(_ => _rig.Model);

    private byte[] Saved()
    {
        using var zip = new MemoryStream();
        _rig.Context.Model.Save(_rig.Estimator().Fit(_rig.Prompts), _rig.Prompts.Schema, zip);
        return zip.ToArray();
    }
}
