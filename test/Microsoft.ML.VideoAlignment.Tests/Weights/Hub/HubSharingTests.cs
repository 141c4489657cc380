using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A cache that several processes fill, downloads that end early, and models that are not worth one.</summary>
public class HubSharingTests
{
    private const string Id = "owner/a-model";
    private const string Large = "unet/model.safetensors";

    private TemporaryFolder _folder = null!;
    private FakeHub _hub = null!;

    [SetUp]
    public void Open() => (_folder, _hub) = (new TemporaryFolder(), new FakeHub());

    [TearDown]
    public void Close()
    {
        _hub.Dispose();
        _folder.Dispose();
    }

    private string Hash => FakeHub.Hash(_hub.Files[Large]);

    private string LockFile => _folder.Path($".locks/models--owner--a-model/{Hash}.lock");

    [Test]
    public async Task ASecondProcessWaitsAndTakesWhatTheFirstFetched()
    {
        Task<string> second;
        using (HoldLock())
        {
            second = Task.Run(() => ResolveAsync());
            await Until(() => WasAsked("model_index"));
            Assert.That(second.IsCompleted, Is.False);
            _folder.Write($"models--owner--a-model/blobs/{Hash}", _hub.Files[Large]);
        }

        string folder = await second;
        Assert.That(File.ReadAllBytes(Path.Combine(folder, Large)), Is.EqualTo(_hub.Files[Large]));
        Assert.That(_hub.Requests, Has.None.Contains(Large), "it was not fetched again");
    }

    [Test]
    public async Task TheLockOfAProcessThatEndedIsTaken()
    {
        HoldLock().Dispose();
        Assert.That(File.Exists(LockFile), Is.True);
        Assert.That(File.ReadAllBytes(Path.Combine(await ResolveAsync(), Large)), Is.EqualTo(_hub.Files[Large]));
    }

    [Test]
    public async Task WhoWaitsCanBeCanceled()
    {
        using FileStream held = HoldLock();
        using var stop = new CancellationTokenSource();
        Task<string> waiting = Task.Run(() => ResolveAsync(stop.Token));
        await Until(() => WasAsked("model_index"));
        await stop.CancelAsync();
        Assert.That(async () => await waiting, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task AHolderWithoutProgressIsGivenUpAndOneThatGoesOnIsWaitedFor()
    {
        using FileStream held = HoldLock();
        Assert.That(await HubLock.AcquireAsync(LockFile, () => 1, TimeSpan.Zero, CancellationToken.None, patience: TimeSpan.Zero), Is.Null);
        long bytes = 0;
        long Growing() => ++bytes < 10 ? bytes : Ended();
        long Ended()
        {
            held.Dispose();
            return 10;
        }

        using IDisposable? taken = await HubLock.AcquireAsync(LockFile, Growing, TimeSpan.Zero, CancellationToken.None, patience: TimeSpan.FromHours(1));
        Assert.That(taken, Is.Not.Null);
    }

    [Test]
    public async Task ACanceledDownloadStaysResumableAndFreesItsLock()
    {
        using var stop = new CancellationTokenSource();
        string partial = _folder.Path($"models--owner--a-model/blobs/{Hash}.incomplete");
        _hub.Asked = address => _hub.SilentAfter = address.Host == "cdn.test" ? 1200 : null;
        Task<string> download = Task.Run(() => ResolveAsync(stop.Token));
        await Until(() => new FileInfo(partial) is { Exists: true, Length: 1200 });
        await stop.CancelAsync();
        Assert.That(async () => await download, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(new FileInfo(partial).Length, Is.EqualTo(1200));
        using (HoldLock())
        {
            // The lock is free.
        }

        (_hub.SilentAfter, _hub.Asked) = (null, null);
        Assert.That(File.ReadAllBytes(Path.Combine(await ResolveAsync(), Large)), Is.EqualTo(_hub.Files[Large]));
        Assert.That(_hub.Requests[^1], Does.EndWith("bytes=1200-"));
    }

    [Test]
    public void NothingIsAskedOnceItIsCanceled()
    {
        Assert.That(async () => await ResolveAsync(new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(_hub.Requests, Is.Empty);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.That(() => VideoDiffusionModel.FromPretrained(TinyModel.Folder, cancellationToken: stop.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await VideoDiffusionModel.FromPretrainedAsync(TinyModel.Folder, cancellationToken: stop.Token),
            Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void AConnectionThatFallsSilentIsGivenUpAfterAWhile()
    {
        _hub.Asked = address => _hub.SilentAfter = address.Host == "cdn.test" ? 100 : null;
        static string? Variable(string name) => name == "HF_HUB_DOWNLOAD_TIMEOUT" ? "0.02" : null;
        Assert.That(async () => await HubFiles.ResolveAsync(Id, Options(), network: _hub, environment: Variable, pause: TimeSpan.Zero),
            Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("call again"));
    }

    [TestCase("model_index.json", """{ "_class_name": "CogVideoXPipeline" }""", "CogVideoXPipeline")]
    [TestCase("config.json", """{ "model_type": "STDiT3" }""", "denoiser alone")]
    public void AModelThatCannotBeOpenedIsRefusedBeforeItsWeightsAreFetched(string name, string content, string mentions)
    {
        _hub.Files.Clear();
        _hub.Files[name] = System.Text.Encoding.UTF8.GetBytes(content);
        _hub.Files["model.safetensors"] = _hub.Files["transformer_3d/model.safetensors"] = new byte[5000];
        Assert.That(async () =>
            await HubFiles.ResolveAsync(Id, Options(), network: _hub, environment: _ => null, admit: ModelCatalog.Admission(Id, new VideoModelOptions())),
            Throws.Exception.With.Message.Contains(mentions));
        Assert.That(_hub.Requests, Has.None.Contains("safetensors"));
    }

    [Test]
    public void AWholeModelIsAdmittedAndOneWithAPartMissingIsNot()
    {
        foreach (string file in Directory.EnumerateFiles(TinyModel.Folder, "*", SearchOption.AllDirectories))
        {
            _hub.Files[Path.GetRelativePath(TinyModel.Folder, file)] = File.ReadAllBytes(file);
        }

        _hub.Files.Remove(Large);
        HubAdmission admit = ModelCatalog.Admission(Id, new VideoModelOptions());
        string folder = HubFiles.Resolve(Id, Options(), network: _hub, environment: _ => null, admit: admit);
        using (VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(folder))
        {
            Assert.That(model.Family, Is.EqualTo("ModelScope"));
        }

        Directory.Delete(_folder.Path("models--owner--a-model"), recursive: true);
        static bool IsVaeWeight(string name) => name.StartsWith("vae/", StringComparison.Ordinal) && !name.EndsWith(".json", StringComparison.Ordinal);
        foreach (string name in _hub.Files.Keys.Where(IsVaeWeight).ToArray())
        {
            _hub.Files.Remove(name);
        }

        Assert.That(() => HubFiles.Resolve(Id, Options(), network: _hub, environment: _ => null, admit: admit),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("vae").And.Message.Contains("no weights"));
    }

    [Test]
    public void ADiskThatIsTooSmallIsSaidBeforeTheDownload()
    {
        Assert.That(async () => await HubFiles.ResolveAsync(Id, Options(), network: _hub, environment: _ => null, freeBytes: _ => 4999),
            Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("HF_HUB_CACHE").And.Message.Contains("CacheFolder"));
        Assert.That(_hub.Requests, Has.None.Contains(Large));
        _folder.Write($"models--owner--a-model/blobs/{Hash}.incomplete", _hub.Files[Large].AsSpan(0, 1));
        Assert.That(async () => await HubFiles.ResolveAsync(Id, Options(), network: _hub, environment: _ => null, freeBytes: _ => 4999),
            Throws.Nothing, "what is there already needs no space");
        Assert.That(DiskSpace.GetFreeBytes(_folder.Path("not/there/yet")), Is.Positive);
    }

    [Test]
    public void ARevisionWithSlashesIsFoundAgainOffline()
    {
        HubOptions options = Options() with { Revision = "refs/pr/7" };
        string folder = HubFiles.Resolve(Id, options, network: _hub, environment: _ => null);
        Assert.That(_hub.Requests[0], Does.Contain("/revision/refs%2Fpr%2F7?"));
        Assert.That(HubFiles.Resolve(Id, options with { Offline = true }, network: _hub, environment: _ => null), Is.EqualTo(folder));
    }

    /// <summary>The loader's rule is the download's: the variant where a folder has it, else the plain file.</summary>
    [Test]
    public void WhatIsFetchedForAVariantIsWhatIsOpened()
    {
        string[] names =
        [
            "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.safetensors",
            "text_encoder/pytorch_model.fp16.bin", "text_encoder/model.safetensors",
        ];
        foreach (string name in names)
        {
            _hub.Files[name] = new byte[1500];
        }

        _hub.Files.Remove(Large);
        foreach (string? variant in new[] { null, "fp16" })
        {
            HubOptions options = Options() with { CacheFolder = _folder.Path($"cache-{variant}") };
            string folder = HubFiles.Resolve(Id, options, variant, network: _hub, environment: _ => null);
            string[] opened = [.. new[] { "unet", "vae", "text_encoder" }.Select(part => new DiffusersFolder(Path.Combine(folder, part)).FindWeights(variant))];
            IEnumerable<string> fetched = Directory.EnumerateFiles(folder, "*model*.*", SearchOption.AllDirectories);
            Assert.That(fetched.Where(path => !path.EndsWith(".json", StringComparison.Ordinal)), Is.EquivalentTo(opened));
            Assert.That(opened.Count(path => Path.GetFileName(path).Contains("fp16", StringComparison.Ordinal)), Is.EqualTo(variant is null ? 0 : 2));
        }
    }

    [Test]
    public void AVariantThatNoPartHasOrThatMustBeAskedForIsSaidBeforeTheDownload()
    {
        Assert.That(() => HubFiles.Resolve(Id, Options(), "fp61", network: _hub, environment: _ => null),
            Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("'fp61'"));
        _hub.Files["vae/model.fp16.safetensors"] = new byte[1500];
        Assert.That(() => HubFiles.Resolve(Id, Options(), network: _hub, environment: _ => null),
            Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("vae/").And.Message.Contains("fp16"));
        Assert.That(_hub.Requests, Has.None.Contains("safetensors"));
    }

    [Test]
    public async Task TwoCallsAtOnceShareOneDownload()
    {
        string[] folders = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => ResolveAsync())));
        Assert.That(folders.Distinct().Count(), Is.EqualTo(1));
        Assert.That(File.ReadAllBytes(Path.Combine(folders[0], Large)), Is.EqualTo(_hub.Files[Large]));
        Assert.That(_hub.Requests.Count(request => request.Contains("cdn.test", StringComparison.Ordinal)), Is.EqualTo(1));
    }

    private static async Task Until(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(1);
        }
    }

    private FileStream HoldLock()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(LockFile)!);
        return new FileStream(LockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
    }

    private HubOptions Options() => new() { CacheFolder = $"{_folder}" };

    private bool WasAsked(string part)
    {
        lock (_hub.Requests)
        {
            return _hub.Requests.Exists(request => request.Contains(part, StringComparison.Ordinal));
        }
    }

    private Task<string> ResolveAsync(CancellationToken cancellation = default) =>
        HubFiles.ResolveAsync(Id, Options(), network: _hub, environment: _ => null, pause: TimeSpan.Zero, cancellation: cancellation);
}
