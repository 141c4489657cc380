using System.IO.Compression;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A saved alignment of a model of the hub holds its id and commit, and finds it in the cache of whoever loads it.</summary>
public class HubReferenceTests
{
    private const string Id = "owner/a-model";

    private TemporaryFolder _folder = null!;

    [SetUp]
    public void Open() => _folder = new TemporaryFolder();

    [TearDown]
    public void Close() => _folder.Dispose();

    [Test]
    public void AnotherMachinesCacheServes()
    {
        string here = FillCache("here"), there = FillCache("there");
        string zip = _folder.Path("aligned.zip");
        float[] video;
        VideoModelReference saved;
        using (VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Id, Offline(here)))
        {
            var context = new MLContext(seed: 1);
            IDataView prompts = context.Data.LoadFromPrompts(["a"]);
            var options = new VideoSamplingOptions { Frames = 2, Height = 16, Width = 16, Steps = 2 };
            using VideoAlignmentTransformer transformer = context.Transforms.GenerateVideo("Video", "Prompt", model, options).Fit(prompts);
            saved = transformer.BaseModel;
            video = Video(context, transformer, prompts);
            context.Model.Save(transformer, prompts.Schema, zip);
        }

        Assert.That((saved.Kind, saved.Source, saved.Revision), Is.EqualTo((VideoModelSourceKind.Hub, Id, FakeHub.Commit)));
        Assert.That(Settings(zip), Does.Contain(Id).And.Contain(FakeHub.Commit).And.Not.Contain($"{_folder}"));
        Directory.Delete(here, recursive: true);

        var other = new MLContext(seed: 1);
        other.RegisterVideoAlignment(hub: new HubOptions { CacheFolder = there, Offline = true });
        using (var loaded = (VideoAlignmentTransformer)other.Model.Load(zip, out _))
        {
            Assert.That(Video(other, loaded, other.Data.LoadFromPrompts(["a"])), Is.EqualTo(video));
            Assert.That(loaded.BaseModel, Is.EqualTo(saved), "and is saved again as it was");
        }

        var without = new MLContext(seed: 1);
        without.RegisterVideoAlignment(hub: new HubOptions { CacheFolder = _folder.Path("empty"), Offline = true });
        Assert.That(() => without.Model.Load(zip, out _), Throws.Exception.With.InnerException.Matches<Exception>(error => Chain(error).Any(inner =>
            inner.Message.Contains(Id, StringComparison.Ordinal) && inner.Message.Contains("not downloaded without permission", StringComparison.Ordinal)))
            .Or.Matches<Exception>(error => Chain(error).Any(inner => inner.Message.Contains("not downloaded without permission", StringComparison.Ordinal))));
    }

    [TestCase(VideoModelSourceKind.Path)]
    [TestCase(VideoModelSourceKind.Hub)]
    public void WhatAFileNamesIsNotDownloadedUnasked(VideoModelSourceKind kind)
    {
        var reference = new VideoModelReference("ModelScope", Id, "00") { Kind = kind };
        Assert.That(reference.ToOptions().Hub.Offline, Is.True);
        Assert.That(reference.ToOptions(new HubOptions()).Hub.Offline, Is.EqualTo(kind != VideoModelSourceKind.Hub), "asked for");
        Assert.That((reference with { Revision = "abc" }).ToOptions().Hub.Revision, Is.EqualTo("abc"));
    }

    [Test]
    public void AFileThatSaysNoKindMeansAPathAndEmbeddedModelsSayTheirs()
    {
        Assert.That(new VideoModelReference("ModelScope", "x", "00").Kind, Is.EqualTo(VideoModelSourceKind.Path));
        using VideoDiffusionModel model = MovingShapesModels.TextToVideo();
        Assert.That(VideoModelReference.Create(model), Has.Property(nameof(VideoModelReference.Kind)).EqualTo(VideoModelSourceKind.Embedded));
        using VideoDiffusionModel tiny = TinyModel.Load();
        Assert.That(VideoModelReference.Create(tiny),
            Has.Property(nameof(VideoModelReference.Kind)).EqualTo(VideoModelSourceKind.Path).And.Property(nameof(VideoModelReference.Revision)).Null);
    }

    private static VideoModelOptions Offline(string cache) => new() { Hub = new HubOptions { CacheFolder = cache, Offline = true } };

    private static IEnumerable<Exception> Chain(Exception? error)
    {
        for (; error is not null; error = error.InnerException)
        {
            yield return error;
        }
    }

    private static float[] Video(MLContext context, ITransformer transformer, IDataView prompts) =>
        context.Data.CreateEnumerable<VideoOnly>(transformer.Transform(prompts), reuseRowObject: false, ignoreMissingColumns: true).Single().Video;

    private static string Settings(string zip)
    {
        using ZipArchive archive = ZipFile.OpenRead(zip);
        ZipArchiveEntry entry = archive.Entries.First(entry => entry.FullName.EndsWith("settings.json", StringComparison.Ordinal));
        using var reader = new StreamReader(entry.Open(), Encoding.UTF8);
        return reader.ReadToEnd();
    }

    private string FillCache(string name)
    {
        foreach (string file in Directory.EnumerateFiles(TinyModel.Folder, "*", SearchOption.AllDirectories))
        {
            _folder.Write($"{name}/models--owner--a-model/snapshots/{FakeHub.Commit}/{Path.GetRelativePath(TinyModel.Folder, file)}", File.ReadAllBytes(file));
        }

        _folder.Write($"{name}/models--owner--a-model/refs/main", Encoding.ASCII.GetBytes(FakeHub.Commit));
        return _folder.Path(name);
    }

    private sealed class VideoOnly
    {
        public float[] Video { get; set; } = [];
    }
}
