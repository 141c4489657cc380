using System.Net;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

public class HubFilesTests
{
    private const string Id = "owner/a-model";
    private const string Large = "unet/model.safetensors";

    private readonly Dictionary<string, string> _environment = [];
    private TemporaryFolder _folder = null!;
    private FakeHub _hub = null!;

    [SetUp]
    public void Open()
    {
        (_folder, _hub) = (new TemporaryFolder(), new FakeHub());
        _environment.Clear();
    }

    [TearDown]
    public void Close()
    {
        _hub.Dispose();
        _folder.Dispose();
    }

    [Test]
    public void AModelIsFetchedIntoTheCachesLayoutAndFoundThereNextTime()
    {
        string folder = Resolve();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(folder, Is.EqualTo(_folder.Path($"models--owner--a-model/snapshots/{FakeHub.Commit}")));
            Assert.That(File.ReadAllText(_folder.Path("models--owner--a-model/refs/main")), Is.EqualTo(FakeHub.Commit));
            Assert.That(File.ReadAllBytes(Path.Combine(folder, Large)), Is.EqualTo(_hub.Files[Large]));
            Assert.That(File.ReadAllText(Path.Combine(folder, "model_index.json")), Is.EqualTo("{}"));
            Assert.That(Blobs(), Is.EquivalentTo(_hub.Files.Values.Select(FakeHub.Hash)), "by hash, and nothing incomplete");
        }

        _hub.Requests.Clear();
        Assert.That(Resolve(), Is.EqualTo(folder));
        Assert.That(_hub.Requests, Has.Count.EqualTo(1), "the list alone");
        _hub.IsDown = true;
        Assert.That(Resolve(), Is.EqualTo(folder), "without a network");
    }

    [Test]
    public void ADownloadGoesOnWhereItWasCut()
    {
        _hub.Cuts.Enqueue(5000); // The small file, whole.
        _hub.Cuts.Enqueue(1200);
        _hub.Cuts.Enqueue(800);
        Assert.That(File.ReadAllBytes(Path.Combine(Resolve(), Large)), Is.EqualTo(_hub.Files[Large]));
        Assert.That(_hub.Requests.Where(request => request.Contains("cdn.test", StringComparison.Ordinal)).Select(request => request.Split(' ')[^1]),
            Is.EqualTo(new[] { $"https://cdn.test/{Id}/resolve/{FakeHub.Commit}/{Large}", "bytes=1200-", "bytes=2000-" }));
    }

    [Test]
    public void WhatAnEarlierCallLeftIsGoneOnWith()
    {
        for (int attempt = 0; attempt < 6; attempt++)
        {
            _hub.Cuts.Enqueue(attempt == 0 ? 5000 : 100);
        }

        ModelDownloadException? exception = Assert.Throws<ModelDownloadException>(() => Resolve());
        Assert.That(exception!.Message, Does.Contain(Large).And.Contain("500 bytes").And.Contain("call again"));
        Assert.That(Blobs(), Has.Member($"{FakeHub.Hash(_hub.Files[Large])}.incomplete"));
        Assert.That(File.Exists(_folder.Path("models--owner--a-model/refs/main")), Is.False, "half a model is not the newest");
        _hub.Requests.Clear();
        Assert.That(File.ReadAllBytes(Path.Combine(Resolve(), Large)), Is.EqualTo(_hub.Files[Large]));
        Assert.That(_hub.Requests[^1], Does.EndWith("bytes=500-"));
    }

    [Test]
    public void AHubThatKnowsNoRangesSendsAllAnew()
    {
        _hub.Dispose();
        _hub = new FakeHub { IgnoresRanges = true };
        _hub.Cuts.Enqueue(5000);
        _hub.Cuts.Enqueue(1200);
        Assert.That(File.ReadAllBytes(Path.Combine(Resolve(), Large)), Is.EqualTo(_hub.Files[Large]));
    }

    [Test]
    public void AWrongHashIsRefusedAndNothingStays()
    {
        byte[] damaged = [.. _hub.Files[Large]];
        damaged[77] ^= 1;
        _hub.Damaged[Large] = damaged;
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains(FakeHub.Hash(damaged)).And.Message.Contains(Large));
        Assert.That(Blobs(), Is.EquivalentTo(new[] { FakeHub.Hash(_hub.Files["model_index.json"]) }));
        _hub.Damaged.Clear();
        _hub.Damaged["model_index.json"] = "[]"u8.ToArray();
        Directory.Delete(_folder.Path("models--owner--a-model"), recursive: true);
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("model_index.json"), "Git's hash of a small file");
    }

    [Test]
    public void ADamagedRestOfAnEarlierTryIsFetchedFromTheStart()
    {
        _folder.Write($"models--owner--a-model/blobs/{FakeHub.Hash(_hub.Files[Large])}.incomplete", new byte[300]);
        Assert.That(File.ReadAllBytes(Path.Combine(Resolve(), Large)), Is.EqualTo(_hub.Files[Large]));
    }

    [Test]
    public void AMirrorThatListsNamesOnlyIsAskedForEachFile()
    {
        _hub.Dispose();
        _hub = new FakeHub { ListsNamesOnly = true };
        Assert.That(File.ReadAllBytes(Path.Combine(Resolve(), Large)), Is.EqualTo(_hub.Files[Large]));
        Assert.That(_hub.Requests.Count(request => request.StartsWith("HEAD", StringComparison.Ordinal)), Is.EqualTo(2));
        Assert.That(_hub.Requests.Where(request => request.StartsWith("HEAD", StringComparison.Ordinal)),
            Has.None.Contains("cdn.test"), "the hub's own headers");
    }

    [TestCase("../evil.json")]
    [TestCase("/etc/evil.json")]
    [TestCase("unet/../../evil.json")]
    [TestCase("unet\\..\\evil.json")]
    [TestCase("c:/evil.json")]
    [TestCase("unet//evil.json")]
    public void AFileThatLeadsOutOfTheFolderIsRefused(string name)
    {
        _hub.Files[name] = "{}"u8.ToArray();
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("leads out"));
        Assert.That(Directory.EnumerateFileSystemEntries($"{_folder}"), Is.Empty);
    }

    [TestCase("../model", "main")]
    [TestCase("owner/..", "main")]
    [TestCase("owner", "main")]
    [TestCase("a/b/c", "main")]
    [TestCase("own--er/model", "main")]
    [TestCase("owner/model\n", "main")]
    [TestCase(Id, "../main")]
    [TestCase(Id, "a//b")]
    [TestCase(Id, "")]
    public void NamesThatAreNoneAreRefused(string id, string revision) =>
        Assert.That(() => HubFiles.Resolve(id, Options() with { Revision = revision }, network: _hub, environment: Variable), Throws.ArgumentException);

    [TestCase(HttpStatusCode.NotFound, "no such model")]
    [TestCase(HttpStatusCode.Unauthorized, "HF_TOKEN")]
    [TestCase(HttpStatusCode.Forbidden, "license")]
    public void ARefusalOfTheHubSaysWhatToDo(HttpStatusCode status, string words)
    {
        _hub.Refusals["/api/"] = status;
        Assert.That(() => Resolve(),
            Throws.InstanceOf<ModelDownloadException>().With.Message.Contains(words).And.Message.Contains("https://huggingface.co/owner/a-model"));
    }

    [TestCase(HttpStatusCode.TooManyRequests, "too many requests", "HF_TOKEN")]
    [TestCase(HttpStatusCode.InternalServerError, "overloaded", "Call again")]
    [TestCase(HttpStatusCode.BadGateway, "overloaded", "Call again")]
    [TestCase(HttpStatusCode.ServiceUnavailable, "overloaded", "Call again")]
    [TestCase(HttpStatusCode.Gone, "does not answer this request", "HF_ENDPOINT")]
    public void WhatTheHubAnsweredIsSaidAndWhatToDo(HttpStatusCode status, string meaning, string advice)
    {
        _hub.Refusals["/api/"] = status;
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>()
            .With.Message.Contains($"the hub answered {(int)status}").And.Message.Contains(meaning).And.Message.Contains(advice)
            .And.Message.Not.Contains("cannot be reached"));
    }

    [Test]
    public void TheWaitThatTheHubAsksForIsSaid()
    {
        _hub.Refusals["/api/"] = HttpStatusCode.TooManyRequests;
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("in some minutes"));
        _hub.RetryAfter = new(TimeSpan.FromSeconds(90));
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("in 90 seconds"));
        _hub.RetryAfter = new(new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero));
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("after 2030-01-02 03:04:05Z"));
    }

    [TestCase(null, 2)]
    [TestCase(1, 2)]
    [TestCase(30, 30)]
    public void TheNextTryWaitsAsLongAsTheHubAsks(int? asked, int seconds) =>
        Assert.That(
            HubDownload.Wait(
                new HubRefusalException("busy", HttpStatusCode.TooManyRequests, asked is { } wait ? TimeSpan.FromSeconds(wait) : null),
                TimeSpan.FromSeconds(2)),
            Is.EqualTo(TimeSpan.FromSeconds(seconds)));

    [Test]
    public void AHubThatAsksForTooLongIsNotWaitedFor()
    {
        _hub.Refusals["/resolve/"] = HttpStatusCode.TooManyRequests;
        _hub.RetryAfter = new(TimeSpan.FromHours(1));
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("did not arrive whole in 1 try (")
            .And.Message.Contains("in 3600 seconds"));
        _hub.RetryAfter = new(DateTimeOffset.UnixEpoch);
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("did not arrive whole in 5 tries ("));
    }

    [TestCase(false, "no file")]
    [TestCase(true, "README.md")]
    public void ARepositoryWithoutAModelIsNotFetched(bool described, string found)
    {
        _hub.Files.Clear();
        if (described)
        {
            _hub.Files["README.md"] = "soon"u8.ToArray();
        }

        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>()
            .With.Message.Contains("no model there").And.Message.Contains(found).And.Message.Contains("https://huggingface.co/owner/a-model"));
    }

    [Test]
    public void ABusyHubIsAskedAgainAndItsCacheIsUsedWhenItStaysBusy()
    {
        _hub.Refusals["/api/"] = HttpStatusCode.ServiceUnavailable;
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("503"));
        _hub.Refusals.Clear();
        string folder = Resolve();
        _hub.Refusals["/api/"] = HttpStatusCode.ServiceUnavailable;
        Assert.That(Resolve(), Is.EqualTo(folder));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void WithoutANetworkItIsSaidWhatToPutWhere(bool chosen)
    {
        _hub.IsDown = true;
        ModelDownloadException? exception = Assert.Throws<ModelDownloadException>(
            () => HubFiles.Resolve(Id, Options() with { Offline = chosen }, network: _hub, environment: Variable));
        Assert.That(exception!.Message,
            Does.Contain(_folder.Path("models--owner--a-model")).And.Contain("https://huggingface.co/owner/a-model").And.Contain("folder's path"));
        Assert.That(exception.Model, Is.EqualTo(Id));
    }

    [Test]
    public void OfflineNothingIsAsked()
    {
        Resolve();
        _hub.Requests.Clear();
        string folder = HubFiles.Resolve(Id, Options() with { Offline = true }, network: _hub, environment: Variable);
        _environment["HF_HUB_OFFLINE"] = "1";
        Assert.That(Resolve(), Is.EqualTo(folder));
        Assert.That(HubFiles.Resolve(Id, Options() with { Revision = FakeHub.Commit }, network: _hub, environment: Variable),
            Is.EqualTo(folder), "by its commit");
        Assert.That(() => HubFiles.Resolve(Id, Options() with { Revision = "v2" }, network: _hub, environment: Variable),
            Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("'v2'"));
        Assert.That(_hub.Requests, Is.Empty);
    }

    [Test]
    public void TheTokenGoesToTheHubOnly()
    {
        _environment["HF_TOKEN"] = "secret";
        _environment["HF_ENDPOINT"] = "https://mirror.test/";
        Resolve();
        Assert.That(_hub.Requests.Where(request => request.Contains("mirror.test", StringComparison.Ordinal)), Is.Not.Empty.And.All.EndsWith("token"));
        Assert.That(_hub.Requests.Where(request => !request.Contains("mirror.test", StringComparison.Ordinal)), Is.Not.Empty.And.None.EndsWith("token"));
    }

    [Test]
    public void ProgressCountsAllFilesAndEndsAtTheirSum()
    {
        var heard = new Heard();
        HubFiles.Resolve(Id, Options() with { Progress = heard }, network: _hub, environment: Variable);
        long total = _hub.Files.Values.Sum(content => content.Length);
        Assert.That(heard.All, Is.Not.Empty.And.All.Property(nameof(DownloadProgress.TotalBytes)).EqualTo(total));
        Assert.That(heard.All.Select(progress => progress.Bytes), Is.Ordered);
        Assert.That(heard.All[^1].Bytes, Is.EqualTo(total));
    }

    [Test]
    public void TheCacheIsWhereTheHubsToolsHaveIt()
    {
        string Folder(params (string Name, string Value)[] set) => HubCache.DefaultFolder(name => set.FirstOrDefault(pair => pair.Name == name).Value);
        Assert.That(Folder(("HF_HUB_CACHE", "/a"), ("HF_HOME", "/b")), Is.EqualTo("/a"));
        Assert.That(Folder(("HF_HOME", "/b")), Is.EqualTo(Path.Combine("/b", "hub")));
        Assert.That(Folder(("XDG_CACHE_HOME", "/c")), Is.EqualTo(Path.Combine("/c", "huggingface", "hub")));
        Assert.That(Folder(), Does.EndWith(Path.Combine(".cache", "huggingface", "hub")));
    }

    [TestCase(null, "model_index.json,vae/config.json,unet/a.safetensors,vae/b.safetensors,text/c.bin", TestName = "{m}(full precision)")]
    [TestCase("fp16", "model_index.json,vae/config.json,unet/a.fp16.safetensors,vae/b.safetensors,text/c.fp16.bin",
        TestName = "{m}(half precision where there is one)")]
    public void OneFormOfTheWeightsIsFetched(string? variant, string expected)
    {
        string[] names =
        [
            "model_index.json", "README.md", "image.png", "whole.safetensors", "vae/config.json", "unet/a.safetensors", "unet/a.fp16.safetensors", "unet/a.bin",
            "unet/a.fp16.bin", "vae/b.safetensors", "vae/b.bin", "vae/model.onnx", "text/c.bin", "text/c.fp16.bin", "text/flax.msgpack",
        ];
        Assert.That(HubSelection.Choose([.. names.Select(name => new HubFile(name, 1, null))], variant).Select(file => file.Path),
            Is.EquivalentTo(expected.Split(',')));
    }

    [Test]
    public void ShardsComeWithTheirIndexAndACheckpointAloneIsFetched()
    {
        string[] Chosen(params string[] names) =>
            [.. HubSelection.Choose([.. names.Select(name => new HubFile(name, 1, null))], null).Select(file => file.Path)];
        Assert.That(
            Chosen("config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "pytorch_model.bin.index.json", "pytorch_model-1.bin"),
            Is.EquivalentTo(new[] { "config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json" }));
        Assert.That(Chosen("model.ckpt", "README.md"), Is.EqualTo(new[] { "model.ckpt" }));
    }

    [Test]
    public void TheDoorTakesAnId()
    {
        var options = new VideoModelOptions { Hub = Options() with { Offline = true } };
        Assert.That(() => VideoDiffusionModel.FromPretrained(Id, options), Throws.InstanceOf<ModelDownloadException>());
        string from = ConformanceCase.All().First(testCase => testCase.Kind == "diffusers.TextToVideoSDPipeline").Folder;
        string model = Path.GetDirectoryName(Directory.EnumerateFiles(from, "model_index.json", SearchOption.AllDirectories).First())!;
        foreach (string file in Directory.EnumerateFiles(model, "*", SearchOption.AllDirectories))
        {
            _folder.Write($"models--owner--a-model/snapshots/{FakeHub.Commit}/{Path.GetRelativePath(model, file)}", File.ReadAllBytes(file));
        }

        _folder.Write("models--owner--a-model/refs/main", System.Text.Encoding.ASCII.GetBytes(FakeHub.Commit));
        using VideoDiffusionModel loaded = VideoDiffusionModel.FromPretrained(Id, options);
        Assert.That(loaded.Family, Is.EqualTo("ModelScope"));
    }

    private HubOptions Options() => new() { CacheFolder = $"{_folder}" };

    private string? Variable(string name) => _environment.GetValueOrDefault(name);

    private string Resolve() => HubFiles.Resolve(Id, Options(), network: _hub, environment: Variable, pause: TimeSpan.Zero);

    private string[] Blobs() => [.. Directory.EnumerateFiles(_folder.Path("models--owner--a-model/blobs")).Select(path => Path.GetFileName(path))];

    private sealed class Heard : IProgress<DownloadProgress>
    {
        public List<DownloadProgress> All { get; } = [];

        public void Report(DownloadProgress value) => All.Add(value);
    }
}
