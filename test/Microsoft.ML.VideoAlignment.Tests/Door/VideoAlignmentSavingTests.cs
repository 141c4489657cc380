using System.IO.Compression;
using System.Text;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoAlignmentSavingTests
{
    private string _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("door").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void ItSurvivesSaving()
    {
        var rig = new DoorRig();
        EstimatorContract.SurvivesSaving(rig.Context, rig.Estimator(), rig.Prompts, rig.Loading(_ => rig.Model));
        VideoAlignmentOptions seeded = DoorRig.ThreeSteps with { SeedColumnName = "Draw", Frames = 3, Seed = 11, NegativePrompt = "dark" };
        EstimatorContract.SurvivesSaving(rig.Context, rig.Estimator(seeded), rig.Prompts, rig.Loading(_ => rig.Model));
    }

    [Test]
    public void AChainWithALoaderSurvivesSaving()
    {
        var rig = new DoorRig();
        string table = Path.Combine(_folder, "prompts.tsv");
        File.WriteAllLines(table, ["Prompt", "a red circle", "a blue square"]);
        Data.TextLoader loader = rig.Context.Data.CreateTextLoader([new Data.TextLoader.Column("Prompt", Data.DataKind.String, 0)], hasHeader: true);
        IDataView prompts = loader.Load(table);
        ITransformer chain = rig.Context.Transforms.CopyColumns("Copy", "Prompt").Append(rig.Estimator()).Fit(prompts);
        string zip = Path.Combine(_folder, "aligned.zip");
        rig.Context.Model.Save(chain, loader, zip);
        ITransformer loaded = rig.Loading(_ => rig.Model).Model.LoadWithDataLoader(zip, out _);
        Assert.That(EstimatorContract.Values(loaded.Transform(prompts)), Is.EqualTo(EstimatorContract.Values(chain.Transform(prompts))));
    }

    [Test]
    public void TheZipHoldsWeightsAndReadableSettings()
    {
        var rig = new DoorRig();
        string zip = Save(rig, rig.Estimator());
        using ZipArchive archive = ZipFile.OpenRead(zip);
        ZipArchiveEntry settings = archive.Entries.Single(entry => entry.Name == "settings.json");
        using var reader = new StreamReader(settings.Open(), Encoding.UTF8);
        Assert.That(reader.ReadToEnd(), Does.Contain("\"hash\": \"ab12\"").And.Contains("\"outputColumn\": \"Video\"").And.Contains("\"learningRate\": 0.05"));
        Assert.That(archive.Entries.Select(entry => entry.Name), Does.Contain("adapters.safetensors"));
        Assert.That(archive.Entries.Select(entry => entry.Name), Has.None.StartsWith("base-"));
    }

    [Test]
    public void AModelFromItsSourceIsOwnedAndDisposed()
    {
        var rig = new DoorRig { Model = new TinyVideoModel("folder") };
        var opened = new TinyVideoModel("folder");
        rig.Opener = source => source == "folder" ? opened : throw new DirectoryNotFoundException();
        using (IDisposable loaded = (IDisposable)rig.Loading().Model.Load(Save(rig, rig.Estimator()), out _))
        {
            Assert.That(opened.Disposals, Is.Zero);
        }

        Assert.That((opened.Disposals, rig.Model.Disposals), Is.EqualTo((1, 0)));
    }

    [Test]
    public void AResolversModelIsNotDisposed()
    {
        var rig = new DoorRig();
        ((IDisposable)rig.Loading(_ => rig.Model).Model.Load(Save(rig, rig.Estimator()), out _)).Dispose();
        Assert.That(rig.Model.Disposals, Is.Zero);
    }

    [Test]
    public void AMovedBaseModelIsReportedByNameAndHash()
    {
        var rig = new DoorRig { Model = new TinyVideoModel("/old/place", "cafe01") };
        string zip = Save(rig, rig.Estimator());
        Assert.That(Messages(() => rig.Loading().Model.Load(zip, out _)),
            Does.Contain("/old/place").And.Contains("cafe01").And.Contains("RegisterVideoAlignment"));
        Assert.That(() => rig.Loading(reference => reference.Source == "/old/place" ? new TinyVideoModel("/new/place", "CAFE01").Model
            : null).Model.Load(zip, out _), Throws.Nothing);
    }

    [Test]
    public void AChangedBaseModelIsReportedByNameAndHash()
    {
        var rig = new DoorRig { Model = new TinyVideoModel("folder", "cafe01") };
        string zip = Save(rig, rig.Estimator());
        var changed = new TinyVideoModel("folder", "beef02");
        rig.Opener = _ => changed;
        Assert.That(Messages(() => rig.Loading().Model.Load(zip, out _)), Does.Contain("folder").And.Contains("cafe01").And.Contains("beef02"));
        Assert.That(changed.Disposals, Is.EqualTo(1));
    }

    [Test]
    public void TheBaseModelTravelsInsideOnRequest()
    {
        string folder = Path.Combine(_folder, "base");
        Directory.CreateDirectory(Path.Combine(folder, "unet"));
        Directory.CreateDirectory(Path.Combine(folder, ".git"));
        File.WriteAllText(Path.Combine(folder, "model_index.json"), "{}");
        File.WriteAllText(Path.Combine(folder, "unet", "config.json"), "network");
        File.WriteAllText(Path.Combine(folder, ".git", "HEAD"), "no part of the model");
        var rig = new DoorRig { Model = new TinyVideoModel(folder) };
        string zip = Save(rig, rig.Estimator(DoorRig.ThreeSteps with { IncludeBaseModel = true }));
        Directory.Delete(folder, recursive: true);

        string unpacked = "";
        rig.Opener = source =>
        {
            unpacked = source;
            Assert.That(Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(source, file)),
                Is.EquivalentTo(new[] { "model_index.json", Path.Combine("unet", "config.json") }));
            Assert.That(File.ReadAllText(Path.Combine(source, "unet", "config.json")), Is.EqualTo("network"));
            return new TinyVideoModel(source);
        };
        MLContext other = rig.Loading();
        ITransformer loaded = other.Model.Load(zip, out DataViewSchema schema);
        string again = Path.Combine(_folder, "again.zip");
        other.Model.Save(loaded, schema, again);
        using (ZipArchive archive = ZipFile.OpenRead(again))
        {
            Assert.That(archive.Entries.Count(entry => entry.Name.StartsWith("base-", StringComparison.Ordinal)), Is.EqualTo(2));
        }

        ((IDisposable)loaded).Dispose();
        Assert.That(Directory.Exists(unpacked), Is.False);
    }

    [Test]
    public void WithoutRegistrationLoadingFailsAsDocumented()
    {
        var rig = new DoorRig();
        string zip = Save(rig, rig.Estimator());
        Assert.That(Messages(() => new MLContext().Model.Load(zip, out _)), Does.Contain("Couldn't load model"));
    }

    [Test]
    public void AnUnwritableOutputLeavesNothingBehind()
    {
        var rig = new DoorRig();
        VideoAlignmentTransformer transformer = rig.Estimator().Fit(rig.Prompts);
        string zip = Path.Combine(_folder, "nowhere", "aligned.zip");
        Assert.That(() => rig.Context.Model.Save(transformer, rig.Prompts.Schema, zip), Throws.InstanceOf<IOException>());
        Assert.That(() => transformer.SaveAdapters(Path.Combine(_folder, "nowhere", "lora.safetensors")), Throws.InstanceOf<IOException>());

        // A directory of that name: the file is written beside it and cannot take its place.
        string taken = Path.Combine(_folder, "taken.safetensors");
        Directory.CreateDirectory(taken);
        Assert.That(() => transformer.SaveAdapters(taken), Throws.InstanceOf<Exception>());
        Assert.That(Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories), Is.Empty);
    }

    [Test]
    public void ASettingsFileOfTheFutureIsRefused() => Assert.That(
        () => AlignmentManifest.Parse(Encoding.UTF8.GetBytes("{\"version\": 2}")), Throws.TypeOf<FormatException>());

    private string Save(DoorRig rig, VideoAlignmentEstimator estimator)
    {
        string zip = Path.Combine(_folder, "aligned.zip");
        rig.Context.Model.Save(estimator.Fit(rig.Prompts), rig.Prompts.Schema, zip);
        return zip;
    }

    /// <summary>The messages of an error and of its causes: ML.NET wraps what a loader throws.</summary>
    private static string Messages(Action action)
    {
        var messages = new StringBuilder();
        for (Exception? error = Assert.Catch(action); error is not null; error = error.InnerException)
        {
            messages.AppendLine(error.Message);
        }

        return messages.ToString();
    }
}
