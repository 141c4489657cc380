using System.Net;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The environment variables of the hub's own tools, as huggingface_hub reads them.</summary>
public class HubEnvironmentTests
{
    private const string Id = "owner/a-model";

    private readonly Dictionary<string, string> _variables = [];
    private TemporaryFolder _folder = null!;
    private FakeHub _hub = null!;

    [SetUp]
    public void Open()
    {
        (_folder, _hub) = (new TemporaryFolder(), new FakeHub());
        _variables.Clear();
        _variables["HOME"] = _folder.Path("home");
    }

    [TearDown]
    public void Close()
    {
        _hub.Dispose();
        _folder.Dispose();
    }

    [Test]
    public void OfflineIsBelievedInEverySpellingOfTrue(
        [Values("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")] string name, [Values("1", "true", "True", "TRUE", "on", "ON", "yes", "Yes")] string value)
    {
        _variables[name] = value;
        Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("offline was chosen"));
        Assert.That(_hub.Requests, Is.Empty);
    }

    [TestCase("HF_HUB_OFFLINE", "0")]
    [TestCase("HF_HUB_OFFLINE", "no")]
    [TestCase("TRANSFORMERS_OFFLINE", "2")]
    [TestCase("HF_HUB_OFFLINE", "")]
    public void OtherValuesAreNotOffline(string name, string value)
    {
        _variables[name] = value;
        Assert.That(() => Resolve(), Throws.Nothing);
    }

    [Test]
    public void TheHubsOwnVariableGoesBeforeTransformers()
    {
        (_variables["HF_HUB_OFFLINE"], _variables["TRANSFORMERS_OFFLINE"]) = ("0", "1");
        Assert.That(() => Resolve(), Throws.Nothing);
    }

    [Test]
    public void TildeAndVariablesAreExpanded()
    {
        string home = _folder.Path("home");
        _variables["DISK"] = "/disk";
        string Cache(params (string Name, string Value)[] set) =>
            new HubEnvironment(name => set.FirstOrDefault(pair => pair.Name == name).Value ?? _variables.GetValueOrDefault(name)).CacheFolder;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Cache(), Is.EqualTo(Path.Combine(home, ".cache", "huggingface", "hub")));
            Assert.That(Cache(("XDG_CACHE_HOME", "~/c")), Is.EqualTo(Path.Combine($"{home}/c", "huggingface", "hub")));
            Assert.That(Cache(("HF_HOME", "~/h")), Is.EqualTo(Path.Combine($"{home}/h", "hub")));
            Assert.That(Cache(("HF_HUB_CACHE", "~")), Is.EqualTo(home));
            Assert.That(Cache(("HUGGINGFACE_HUB_CACHE", "$DISK/hub")), Is.EqualTo("/disk/hub"));
            Assert.That(Cache(("HF_HOME", "${DISK}/h")), Is.EqualTo(Path.Combine("/disk/h", "hub")));
            Assert.That(Cache(("HF_HUB_CACHE", "$ABSENT/hub")), Is.EqualTo("$ABSENT/hub"), "as Python leaves it");
            Assert.That(() => Cache(("HF_HOME", "~somebody/h")), Throws.ArgumentException.With.Message.Contains("~somebody"));
        }
    }

    [Test]
    public void ACacheFolderOfTheOptionsIsExpandedToo()
    {
        string folder = HubFiles.Resolve(Id, new HubOptions { CacheFolder = "~/cache" }, network: _hub, environment: Variable);
        Assert.That(folder, Does.StartWith(_folder.Path("home/cache")));
        Assert.That(Directory.Exists("~"), Is.False);
    }

    [Test]
    public void TheTokenIsTakenFromTheFirstPlaceThatHasOne()
    {
        string saved = Write("home/.cache/huggingface/token", "saved\n");
        string named = Write("elsewhere", "  named\r\n");
        string ofHome = Write("hf/token", "ofHome");
        (string Value, string Place) Token(params (string Name, string Value)[] set)
        {
            HubToken token = new HubEnvironment(name => set.FirstOrDefault(pair => pair.Name == name).Value ?? _variables.GetValueOrDefault(name)).FindToken();
            return (token.Value!, token.Description);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Token(), Is.EqualTo(("saved", $"the one from {saved} was sent")));
            Assert.That(Token(("HF_HOME", Path.GetDirectoryName(ofHome)!)).Value, Is.EqualTo("ofHome"));
            Assert.That(Token(("HF_TOKEN_PATH", "~/../elsewhere")).Value, Is.EqualTo("named"), named);
            Assert.That(Token(("HUGGING_FACE_HUB_TOKEN", "old")).Value, Is.EqualTo("old"));
            Assert.That(Token(("HF_TOKEN", " new\n"), ("HUGGING_FACE_HUB_TOKEN", "old")).Value, Is.EqualTo("new"));
            Assert.That(Token(("HF_TOKEN", " \n")).Value, Is.EqualTo("saved"), "a blank is none");
            Assert.That(Token(("HF_HUB_DISABLE_IMPLICIT_TOKEN", "yes"), ("HF_TOKEN", "new")).Value, Is.Null);
            Assert.That(() => Token(("HF_TOKEN", "two words")),
                Throws.ArgumentException.With.Message.Contains("HF_TOKEN").And.Message.Not.Contains("two words"));
        }
    }

    [Test]
    public void ATokenIsNeverPrinted() => Assert.That($"{new HubToken("secret", "the one from HF_TOKEN was sent")}", Does.Not.Contain("secret"));

    [TestCase(HttpStatusCode.Unauthorized)]
    [TestCase(HttpStatusCode.Forbidden)]
    [TestCase(HttpStatusCode.NotFound)]
    public void ARefusalNamesEveryPlaceOfATokenOrTheOneThatWasSent(HttpStatusCode status)
    {
        _hub.Refusals["/api/"] = status;
        Assert.That(() => Resolve(),
            Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("HF_TOKEN").And.Message.Contains("HUGGING_FACE_HUB_TOKEN")
            .And.Message.Contains("HF_TOKEN_PATH").And.Message.Contains(_folder.Path("home/.cache/huggingface/token")));
        _variables["HF_TOKEN"] = "secret";
        Assert.That(() => Resolve(),
            Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("the one from HF_TOKEN was sent").And.Message.Not.Contains("secret"));
    }

    [TestCase("http://mirror.test", false)]
    [TestCase("http://127.0.0.1:5000", true)]
    [TestCase("http://localhost:5000/hub/", true)]
    [TestCase("https://mirror.test/hub", true)]
    public void TheTokenIsSentEncryptedOrToThisMachine(string endpoint, bool sent)
    {
        (_variables["HF_TOKEN"], _variables["HF_ENDPOINT"]) = ("secret", endpoint);
        Resolve();
        Assert.That(_hub.Requests[0], Does.StartWith($"GET {endpoint.TrimEnd('/')}/api/models/{Id}/revision/main"));
        Assert.That(_hub.Requests[0].EndsWith("token", StringComparison.Ordinal), Is.EqualTo(sent));
        if (!sent)
        {
            _hub.Refusals["/api/"] = HttpStatusCode.Unauthorized;
            Assert.That(() => Resolve(), Throws.InstanceOf<ModelDownloadException>().With.Message.Contains("not encrypted"));
        }
    }

    [TestCase("HF_ENDPOINT", "hf-mirror.test")]
    [TestCase("HF_ENDPOINT", "ftp://mirror.test")]
    [TestCase("HF_HUB_DOWNLOAD_TIMEOUT", "soon")]
    [TestCase("HF_HUB_ETAG_TIMEOUT", "0")]
    public void AVariableThatIsNoneOfItsKindIsNamed(string name, string value)
    {
        _variables[name] = value;
        Assert.That(() => Resolve(), Throws.ArgumentException.With.Message.Contains(name).And.Message.Contains(value));
    }

    private string? Variable(string name) => _variables.GetValueOrDefault(name);

    private string Write(string name, string text) => _folder.Write(name, System.Text.Encoding.UTF8.GetBytes(text));

    private string Resolve() =>
        HubFiles.Resolve(Id, new HubOptions { CacheFolder = _folder.Path("cache") }, network: _hub, environment: Variable, pause: TimeSpan.Zero);
}
