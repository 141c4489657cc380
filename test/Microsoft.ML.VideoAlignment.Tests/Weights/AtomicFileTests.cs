using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A file is complete or absent, and an existing one stays until the new one is complete.</summary>
public class AtomicFileTests
{
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void Open() => _folder = new TemporaryFolder();

    [TearDown]
    public void Close() => _folder.Dispose();

    /// <summary>The system's own messages end in a full stop.</summary>
    [Test]
    public void AMessageEndsInOneFullStop()
    {
        Assert.That(
            () => AtomicFile.Write(_folder.Path(new string('a', 300)), stream => stream.WriteByte(1)),
            Throws.InstanceOf<IOException>().With.Message.EndsWith(".").And.Message.Not.EndsWith(".."));
    }

    [Test]
    public void AReaderOfTheOldFileGoesOnReadingIt()
    {
        string path = _folder.Write("file", "old"u8);
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        AtomicFile.Write(path, stream => stream.Write("the new one"u8));
        Assert.That((reader.ReadToEnd(), File.ReadAllText(path)), Is.EqualTo(("old", "the new one")));
    }

    [Test]
    public void AFailureLeavesTheOldFileAndNothingElse()
    {
        string path = _folder.Write("file", "old"u8);
        Assert.That(() => AtomicFile.Write(path, stream => HalfThen(stream)), Throws.TypeOf<TimeoutException>());
        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(_folder.ToString()), Is.EqualTo(new[] { path }));
    }

    [Test]
    public void FilesThatBelongTogetherAreReplacedTogether()
    {
        (string first, string second) = (_folder.Write("first", "old"u8), _folder.Write("second", "old"u8));
        Assert.That(() => AtomicFile.WriteAll([(first, stream => stream.Write("new"u8)), (second, stream => HalfThen(stream))]),
            Throws.TypeOf<TimeoutException>());
        string folder = Directory.CreateDirectory(_folder.Path("folder")).FullName;
        Assert.That(() => AtomicFile.WriteAll([(first, stream => stream.Write("new"u8)), (folder, stream => stream.Write("new"u8))]),
            Throws.TypeOf<IOException>());
        Assert.That((File.ReadAllText(first), File.ReadAllText(second)), Is.EqualTo(("old", "old")));
        Assert.That(Directory.GetFiles(_folder.ToString(), "*", SearchOption.AllDirectories), Is.EquivalentTo(new[] { first, second }));
    }

    /// <summary>Removing what was written in part fails in its turn.</summary>
    [Test]
    public void AFolderThatVanishesDoesNotHideTheFailure()
    {
        string inner = Directory.CreateDirectory(_folder.Path("inner")).FullName;
        Assert.That(
            () => AtomicFile.Write(Path.Combine(inner, "file"), _ =>
            {
                Directory.Delete(inner, recursive: true);
                File.WriteAllText(inner, "");
                throw new TimeoutException();
            }),
            Throws.TypeOf<TimeoutException>());
    }

    [Test]
    public void APlaceThatCannotBeWrittenIsNamed()
    {
        string nowhere = Path.Combine(_folder.Path("missing"), "file"), below = Path.Combine(_folder.Write("file", []), "file");
        Assert.That(() => AtomicFile.Write(nowhere, _ => { }),
            Throws.TypeOf<IOException>().With.Message.Contains(nowhere).And.Message.Contains("create it first"));
        Assert.That(() => AtomicFile.Write(below, _ => { }), Throws.TypeOf<IOException>().With.Message.Contains(below));
    }

    private static string AnotherSpelling(string path) =>
        Path.Combine(Path.GetDirectoryName(path)!, ".", "..", Path.GetFileName(Path.GetDirectoryName(path)!), Path.GetFileName(path));

    public static IEnumerable<TestCaseData> Spellings() =>
    [
        new TestCaseData((Func<string, string>)(path => path)).SetArgDisplayNames("itself"),
        new TestCaseData((Func<string, string>)AnotherSpelling).SetArgDisplayNames("another spelling"),
        new TestCaseData((Func<string, string>)(path => Path.GetRelativePath(Directory.GetCurrentDirectory(), path))).SetArgDisplayNames("relative"),
        new TestCaseData((Func<string, string>)(path => File.CreateSymbolicLink(path + ".link", path).FullName)).SetArgDisplayNames("a link"),
    ];

    /// <summary>Converted onto itself, a LoRA is what it would be elsewhere; a conversion that fails leaves it alone.</summary>
    [TestCaseSource(nameof(Spellings))]
    public void ALoraConvertedOntoItselfIsWhatItWouldBeElsewhere(Func<string, string> spell)
    {
        using DisposeScope scope = NewDisposeScope();
        using var model = new TinyVideoModel();
        string path = _folder.Path("lora.safetensors"), elsewhere = _folder.Path("elsewhere.safetensors");
        using (LoraAdapters adapters = LoraAdapters.Attach(model.Denoiser, LoraTargets.AllLayers, 2, 4, new Generator(3)))
        {
            LoraFile.Save(adapters, path, LoraFormat.Diffusers);
        }

        byte[] before = File.ReadAllBytes(path);
        string named = spell(path);
        Assert.That(() => new VideoLora(named).Convert(model, named, LoraFormat.Cloneofsimo), Throws.TypeOf<NotSupportedException>());
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(before));
        new VideoLora(path).Convert(model, elsewhere, LoraFormat.Kohya);
        new VideoLora(path).Convert(model, named, LoraFormat.Kohya);
        Assert.That(File.ReadAllBytes(named), Is.EqualTo(File.ReadAllBytes(elsewhere)));
        Assert.That(Directory.GetFiles(_folder.ToString()).Select(Path.GetExtension), Is.All.Not.EqualTo(".partial"));
    }

    /// <summary>The configuration says how the weights are to be read: old ones beside new ones would be wrong without a word.</summary>
    [Test]
    public void APeftFolderIsReplacedAsAWhole()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        string folder = _folder.Path("peft"), weights = Path.Combine(folder, "adapter_model.safetensors"), made = _folder.Path("made");
        Save(folder, alpha: 4);
        File.Delete(Path.Combine(folder, "adapter_config.json"));
        Directory.CreateDirectory(Path.Combine(folder, "adapter_config.json"));
        byte[] before = File.ReadAllBytes(weights);
        Assert.That(() => Save(folder, alpha: 8), Throws.TypeOf<IOException>());
        Assert.That(File.ReadAllBytes(weights), Is.EqualTo(before));
        Assert.That(Directory.GetFiles(folder, "*", SearchOption.AllDirectories), Is.EqualTo(new[] { weights }));

        void Save(string path, double alpha)
        {
            using LoraAdapters adapters = LoraAdapters.Attach(network, LoraTargets.AllLayers, 2, alpha, new Generator((ulong)alpha));
            LoraFile.Save(adapters, path, LoraFormat.Peft);
        }
    }

    private static void HalfThen(Stream stream)
    {
        stream.Write("half"u8);
        throw new TimeoutException();
    }
}
