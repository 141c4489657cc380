using System.Runtime.CompilerServices;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is unpacked from a zip goes again, however its reader ends.</summary>
[NonParallelizable]
public class UnpackedBaseTests
{
    private TemporaryFolder _folder = null!;
    private string _temporary = "";

    [SetUp]
    public void Open()
    {
        _folder = new TemporaryFolder();
        _temporary = Directory.CreateDirectory(_folder.Path("temporary")).FullName;
    }

    [TearDown]
    public void Close() => _folder.Dispose();

    [Test]
    public void DisposingRemovesTheFolderAndItsLock()
    {
        var unpacked = UnpackedBase.Create(_temporary, folder => File.WriteAllText(Path.Combine(folder, "weights"), ""));
        unpacked.Dispose();
        unpacked.Dispose();
        Assert.That(Directory.EnumerateFileSystemEntries(_temporary), Is.Empty);
    }

    [Test]
    public void ReloadingWithoutDisposingLeavesNothingBehind()
    {
        var rig = new DoorRig { Model = new TinyVideoModel(Path.GetDirectoryName(_folder.Write(Path.Combine("base", "model_index.json"), "{}"u8))!) };
        string zip = _folder.Path("aligned.zip");
        rig.Context.Model.Save(rig.Estimator(DoorRig.ThreeSteps with { IncludeBaseModel = true }).Fit(rig.Prompts), rig.Prompts.Schema, zip);
        rig.Opener = source => new TinyVideoModel(source);
        for (int reload = 0; reload < 3; reload++)
        {
            Reload(rig, zip);
        }

        Collect();
        Assert.That(Directory.EnumerateFileSystemEntries(_temporary), Is.Empty);
    }

    /// <summary>The part that is kept reads the files of the part that is not.</summary>
    [Test]
    public void WhatIsDerivedFromALoadedModelKeepsItsFiles()
    {
        VideoAlignmentTransformer derived = Derived(out string folder);
        Collect();
        Assert.That(Directory.Exists(folder));
        GC.KeepAlive(derived);
    }

    [Test]
    public void WhatAKilledProcessLeftBehindGoesWithTheNextLoad()
    {
        string left = Path.Combine(_temporary, "video-base-0123"), living = Path.Combine(_temporary, "video-base-4567"),
            foreign = Path.Combine(_temporary, "video-base-mine");
        foreach (string folder in new[] { left, living, foreign })
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "weights"), "");
        }

        File.WriteAllText(left + ".lock", "");
        using FileStream held = new(living + ".lock", FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        using (var unpacked = UnpackedBase.Create(_temporary, _ => { }))
        {
            using (Assert.EnterMultipleScope())
            {
                Assert.That(Directory.Exists(unpacked.Folder));
                Assert.That(Path.Exists(left) || Path.Exists(left + ".lock"), Is.False, "its process is gone");
                Assert.That(File.Exists(Path.Combine(living, "weights")) && File.Exists(living + ".lock"), "its process lives");
                Assert.That(File.Exists(Path.Combine(foreign, "weights")), "without a lock it is none of ours");
            }
        }
    }

    [Test]
    public void TwoOfOneProcessDoNotTakeEachOtherForLeftOvers()
    {
        using var first = UnpackedBase.Create(_temporary, _ => { });
        using var second = UnpackedBase.Create(_temporary, _ => { });
        Assert.That(Directory.Exists(first.Folder) && Directory.Exists(second.Folder));
    }

    [Test]
    public void AZipThatCannotBeOpenedLeavesNothingBehind()
    {
        var rig = new DoorRig { Model = new TinyVideoModel(Path.GetDirectoryName(_folder.Write(Path.Combine("base", "model_index.json"), "{}"u8))!) };
        string zip = _folder.Path("aligned.zip");
        rig.Context.Model.Save(rig.Estimator(DoorRig.ThreeSteps with { IncludeBaseModel = true }).Fit(rig.Prompts), rig.Prompts.Schema, zip);
        MLContext other = rig.Loading();
        other.TempFilePath = _temporary;
        Assert.That(() => other.Model.Load(zip, out _), Throws.Exception);
        Assert.That(Directory.EnumerateFileSystemEntries(_temporary), Is.Empty);
    }

    [Test]
    public void AFolderThatCannotTakeItSaysWhatIsNeeded()
    {
        string nowhere = Path.Combine(_folder.Write("file", []), "folder");
        Assert.That(() => UnpackedBase.Create(nowhere, _ => { }), Says(nowhere));
        Assert.That(() => UnpackedBase.Create(_temporary, _ => throw new IOException("No space left on device")), Says("No space left on device"));
        Assert.That(() => UnpackedBase.Create(_temporary, _ => throw new FormatException()), Throws.TypeOf<FormatException>());
        Assert.That(Directory.EnumerateFileSystemEntries(_temporary), Is.Empty);

        static NUnit.Framework.Constraints.IResolveConstraint Says(string what) =>
            Throws.TypeOf<IOException>().With.Message.Contains(what).And.Message.Contains("TempFilePath").And.Message.Contains("IncludeBaseModel");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Reload(DoorRig rig, string zip)
    {
        MLContext other = rig.Loading();
        other.TempFilePath = _temporary;
        ITransformer loaded = other.Model.Load(zip, out _);
        Assert.That(EstimatorContract.Values(loaded.Transform(rig.Prompts)), Has.Length.EqualTo(3));
        Assert.That(Directory.EnumerateDirectories(_temporary, "video-base-*"), Is.Not.Empty);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private VideoAlignmentTransformer Derived(out string folder)
    {
        var context = new MLContext(seed: 1);
        var model = new TinyVideoModel();
        var unpacked = UnpackedBase.Create(_temporary, _ => { });
        folder = unpacked.Folder;
        var aligned = new AlignedModel(model, ownsModel: true, adapters: null, DoorRig.ThreeSteps.ResolveSampling(model), seed: 1, unpacked);
        return new VideoAlignmentTransformer(
            MLNet.MlNetInterop.GetEnvironment(context.Transforms), new AlignmentColumns("Video", "Prompt", null, null), aligned, [],
            includeBaseModel: true).WithoutAlignment("Base");
    }

    private static void Collect()
    {
        for (int pass = 0; pass < 3; pass++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
