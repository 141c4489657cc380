using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Nothing in a saved model decides what is opened, run or downloaded.</summary>
public class LoadPermissionTests
{
    private readonly DoorRig _rig = new() { Model = new TinyVideoModel("/saved/by/this/program") };
    private readonly List<string> _opened = [];
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void Open()
    {
        _folder = new TemporaryFolder();
        _opened.Clear();
        _rig.Opener = source =>
        {
            _opened.Add(source);
            return new TinyVideoModel(source);
        };
    }

    [TearDown]
    public void Close() => _folder.Dispose();

    [Test]
    public void AProgramOfASavedScoringIsRunOnlyOnRequest()
    {
        byte[] zip = SavedScoring(out string file);
        string refusal = SavedZip.Refusal(Registered(), zip);
        Assert.That(refusal, Does.Contain(file).And.Contains("runs the code").And.Contains("RegisterVideoAlignment(allowTorchScript: true)"));
        Assert.That(() => SavedZip.Load(Registered(allowTorchScript: true), zip).Dispose(), Throws.Nothing, "what this process saved is where it says");
    }

    [Test]
    public void AProgramInsideASumIsFoundAsWell()
    {
        string file = TorchScriptRewardTests.Write(_folder);
        using VideoReward reward = VideoRewards.TorchScript(file, new RewardContract()) + MovingShapesRewards.TrueRating();
        Assert.That(SavedZip.Refusal(Registered(), Save(reward)), Does.Contain(file).And.Contains("allowTorchScript"));
    }

    [Test]
    public void ARequestToRunProgramsOpensNoForeignPath()
    {
        byte[] zip = SavedScoring(out string file);
        string copy = _folder.Write("copy/gain.pt", File.ReadAllBytes(file));
        byte[] forged = SavedZip.Replace(zip, "reward.json", file, copy);
        Assert.That(SavedZip.Refusal(Registered(allowTorchScript: true), forged),
            Does.Contain(copy).And.Contains("trustedFolders").And.Contains("movedRewardFiles"));
        Assert.That(() => SavedZip.Load(Registered(trustedFolders: [_folder.Path("copy")], allowTorchScript: true), forged).Dispose(), Throws.Nothing);
        Assert.That(SavedZip.Refusal(Registered(trustedFolders: [_folder.Path("copy")]), forged), Does.Contain("allowTorchScript"));

        var moved = new MLContext();
        moved.RegisterVideoAlignment(movedRewardFiles: new Dictionary<string, string> { [copy] = file }, allowTorchScript: true);
        Assert.That(() => SavedZip.Load(moved, forged).Dispose(), Throws.Nothing, "the program named the place itself");
    }

    [Test]
    public void APathIsNotLookedAtBeforeItIsAllowed()
    {
        byte[] forged = SavedZip.Replace(SavedScoring(out string file), "reward.json", file, "/no/such/place");
        Assert.That(SavedZip.Refusal(Registered(allowTorchScript: true), forged),
            Does.Contain("not opened without permission").And.Not.Contain("no longer there"));
    }

    [TestCase("/etc/passwd")]
    [TestCase("relative/folder")]
    [TestCase("../up")]
    [TestCase("//server/share/model")]
    [TestCase(@"\\server\share\model")]
    [TestCase(@"\\?\C:\model")]
    [TestCase("file:///etc/model")]
    [TestCase("https://example.com/model")]
    [TestCase("CON")]
    [TestCase("")]
    public void ABaseModelsForeignPathIsNotOpened(string path)
    {
        byte[] forged = Forged(path);
        Assert.That(SavedZip.Refusal(Loading(), forged), Does.Contain("ab12").And.Contains("RegisterVideoAlignment"));
        Assert.That(SavedZip.Refusal(Loading(_folder.Path("")), forged), Does.Contain("RegisterVideoAlignment"));
        Assert.That(_opened, Is.Empty);
    }

    [Test]
    public void ABaseModelInsideATrustedFolderIsOpened()
    {
        Directory.CreateDirectory(_folder.Path("models/inside"));
        Directory.CreateDirectory(_folder.Path("models-twin"));
        string trusted = _folder.Path("models");
        SavedZip.Load(Loading(trusted), Forged(_folder.Path("models/inside"))).Dispose();
        SavedZip.Load(Loading(trusted + "/"), Forged(trusted)).Dispose();
        SavedZip.Load(Loading(_folder.Path("models/../models")), Forged(_folder.Path("models/inside/../inside"))).Dispose();
        Assert.That(_opened, Has.Count.EqualTo(3));
        Assert.That(SavedZip.Refusal(Loading(trusted), Forged(_folder.Path("models-twin"))), Does.Contain("trustedFolders"));
        Assert.That(SavedZip.Refusal(Loading(trusted), Forged(_folder.Path("models/../models-twin"))), Does.Contain("trustedFolders"));
        Assert.That(_opened, Has.Count.EqualTo(3));
    }

    [Test]
    public void ALinkOutOfATrustedFolderIsNotFollowed()
    {
        Directory.CreateDirectory(_folder.Path("models"));
        Directory.CreateDirectory(_folder.Path("elsewhere"));
        try
        {
            Directory.CreateSymbolicLink(_folder.Path("models/out"), _folder.Path("elsewhere"));
            Directory.CreateSymbolicLink(_folder.Path("link"), _folder.Path("models"));
        }
        catch (IOException) when (OperatingSystem.IsWindows())
        {
            Assert.Ignore("This account may not make symbolic links.");
        }

        Directory.CreateDirectory(_folder.Path("models/inside"));
        Assert.That(SavedZip.Refusal(Loading(_folder.Path("models")), Forged(_folder.Path("models/out"))), Does.Contain("trustedFolders"));
        Assert.That(_opened, Is.Empty);
        SavedZip.Load(Loading(_folder.Path("link")), Forged(_folder.Path("link/inside"))).Dispose();
        Assert.That(_opened, Has.Count.EqualTo(1), "the trusted folder itself may be a link");
    }

    [Test]
    public void WhatThisProcessSavedItLoads()
    {
        SavedZip.Load(Loading(), SavedAlignment()).Dispose();
        Assert.That(_opened, Is.EqualTo(new[] { "/saved/by/this/program" }));
    }

    [TestCase("tokenizerPath")]
    [TestCase("configurationPath")]
    public void FilesBesideTheModelAreHeldToTheSameRule(string name)
    {
        string file = _folder.Path("vocabulary.txt");
        byte[] forged =
            SavedZip.Replace(SavedAlignment(), "settings.json", $"\"{name}\": null", $"\"{name}\": \"{file.Replace("\\", "\\\\", StringComparison.Ordinal)}\"");
        Assert.That(SavedZip.Refusal(Loading(), forged), Does.Contain(file).And.Contains("trustedFolders"));
        Assert.That(_opened, Is.Empty);
        SavedZip.Load(Loading(_folder.Path("")), forged).Dispose();
    }

    [TestCase("\"Hub\"", "/etc/model", "not a hub id")]
    [TestCase("\"Hub\"", "../model", "not a hub id")]
    [TestCase("\"Embedded\"", "MovingShapesTheThird", "no embedded model")]
    [TestCase("17", "/saved/by/this/program", "newer version")]
    public void AKindThatTheSourceIsNotIsRefused(string kind, string source, string expected)
    {
        byte[] forged = SavedZip.Replace(Forged(source), "settings.json", "\"kind\": \"Path\"", $"\"kind\": {kind}");
        Assert.That(SavedZip.Refusal(Loading(_folder.Path("")), forged), Does.Contain(expected));
        Assert.That(_opened, Is.Empty);
    }

    [Test]
    public void AVariantIsNoPath()
    {
        byte[] forged = SavedZip.Replace(SavedAlignment(), "settings.json", "\"variant\": null", "\"variant\": \"x/../../fp16\"");
        Assert.That(SavedZip.Refusal(Loading(), forged), Does.Contain("not a variant"));
        Assert.That(_opened, Is.Empty);
    }

    [TestCase("../outside")]
    [TestCase("/outside")]
    [TestCase("a/../../outside")]
    [TestCase("a//b")]
    [TestCase("C:/outside")]
    [TestCase("a/NUL")]
    [TestCase("a/b:stream")]
    [TestCase("model_index.json/inside", "as a folder")]
    [TestCase("MODEL_INDEX.JSON", "twice")]
    public void NamesOfFilesInsideTheZipStayInTheirFolder(string name, string expected = "outside its folder")
    {
        string folder = Path.GetDirectoryName(_folder.Write("base/model_index.json", "{}"u8))!;
        _folder.Write("base/unet.json", "{}"u8);
        var rig = new DoorRig { Model = new TinyVideoModel(folder), Opener = _rig.Opener };
        byte[] zip = Saved(rig.Context, rig.Estimator(DoorRig.ThreeSteps with { IncludeBaseModel = true }).Fit(rig.Prompts), rig.Prompts.Schema);
        string temporary = _folder.Path("temporary");
        Directory.CreateDirectory(temporary);
        MLContext loading = rig.Loading();
        loading.TempFilePath = temporary;
        Assert.That(SavedZip.Refusal(loading, SavedZip.Replace(zip, "settings.json", "unet.json", name)), Does.Contain(expected));
        Assert.That(Directory.EnumerateFileSystemEntries(temporary), Is.Empty);
        Assert.That(_opened, Is.Empty);
    }

    [TestCase("")]
    [TestCase(" ")]
    [TestCase(null)]
    public void ATrustedFolderNeedsAName(string? folder) =>
        Assert.That(() => new MLContext().RegisterVideoAlignment(trustedFolders: [folder!]),
            Throws.InstanceOf<ArgumentException>().With.Property(nameof(ArgumentException.ParamName)).EqualTo("trustedFolders"));

    private static MLContext Registered(string[]? trustedFolders = null, bool allowTorchScript = false)
    {
        var context = new MLContext();
        context.RegisterVideoAlignment(trustedFolders: trustedFolders, allowTorchScript: allowTorchScript);
        return context;
    }

    private MLContext Loading(params string[] trusted)
    {
        MLContext context = _rig.Loading();
        ModelResolver.Register(context, new ModelResolver((source, _) => _rig.Opener(source), Permission: new LoadPermission(trusted, TorchScript: false)));
        return context;
    }

    private byte[] SavedAlignment() => Saved(_rig.Context, _rig.Estimator().Fit(_rig.Prompts), _rig.Prompts.Schema);

    private byte[] Forged(string source) =>
        SavedZip.Replace(SavedAlignment(), "settings.json", "\"/saved/by/this/program\"", $"\"{source.Replace("\\", "\\\\", StringComparison.Ordinal)}\"");

    private byte[] SavedScoring(out string file)
    {
        file = TorchScriptRewardTests.Write(_folder);
        using VideoReward reward = VideoRewards.TorchScript(file, new RewardContract());
        return Save(reward);
    }

    private byte[] Save(VideoReward reward)
    {
        IDataView videos = _rig.Estimator().Fit(_rig.Prompts).Transform(_rig.Prompts);
        return Saved(_rig.Context, _rig.Context.Transforms.ScoreVideo("Score", "Video", reward).Fit(videos), videos.Schema);
    }

    private static byte[] Saved(MLContext context, ITransformer transformer, DataViewSchema schema)
    {
        using var zip = new MemoryStream();
        context.Model.Save(transformer, schema, zip);
        return zip.ToArray();
    }
}
