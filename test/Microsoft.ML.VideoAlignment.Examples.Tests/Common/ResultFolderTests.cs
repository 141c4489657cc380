using Examples;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Nothing that was trained, and nothing of somebody else's, is ever removed.</summary>
public class ResultFolderTests
{
    private string _folder = "";
    private string _out = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("result-").FullName;
        _out = Path.Combine(_folder, "out");
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    private ResultFolder Open(bool goesOn = false)
    {
        if (goesOn)
        {
            Directory.CreateDirectory(_out + ".run");
        }

        return new ResultFolder(_out, InterruptedRun.Open(Line(), _out, goesOn));
    }

    private static Examples.CommandLine Line()
    {
        Examples.CommandLine? line = null;
        Examples.CommandLine.Run("Program", "", [], made =>
        {
            line = made;
            return 0;
        });
        return line!;
    }

    [Test]
    public void WhatIsUnfinishedGoesWhereNothingWasTrained()
    {
        using (ResultFolder folder = Open())
        {
            File.WriteAllText(folder["before.gif"], "");
        }

        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Is.Empty);
    }

    [Test]
    public void ATrainedModelStaysAndIsNotWrittenOver()
    {
        using (ResultFolder folder = Open())
        {
            File.WriteAllText(folder["aligned.zip"], "trained");
        }

        string kept = Path.Combine(_out + ".unfinished", "aligned.zip");
        Assert.That(File.ReadAllText(kept), Is.EqualTo("trained"));
        Assert.That(() => Open(), Throws.InstanceOf<UsageException>().With.Message.Contains("holds the aligned.zip of a run that was interrupted"));
        Assert.That(File.ReadAllText(kept), Is.EqualTo("trained"));

        using ResultFolder again = Open(goesOn: true);
        Assert.That(again.Written(), Is.Empty, "the run that goes on writes it anew, from its state");
    }

    /// <summary>A process that was killed leaves its folder: the next one takes it, whatever its number is.</summary>
    [Test]
    public void WhatAKilledProcessLeftIsRemoved()
    {
        Directory.CreateDirectory(Path.Combine(_out + ".unfinished", "videos"));
        File.WriteAllText(Path.Combine(_out + ".unfinished", "lock"), "");
        File.WriteAllText(Path.Combine(_out + ".unfinished", "videos", "base-001.webp"), "");
        using ResultFolder folder = Open();
        Assert.That(folder.Written(), Is.Empty);
    }

    [Test]
    public void TwoRunsDoNotWriteIntoOneFolder()
    {
        using ResultFolder first = Open();
        File.WriteAllText(first["before.gif"], "first");
        Assert.That(() => Open(), Throws.InstanceOf<UsageException>().With.Message.Contains("is being written by another run"));
        Assert.That(first.Written(), Is.EqualTo(new[] { "before.gif" }));
    }

    [Test]
    public void OfAFormerResultOnlyItsOwnFilesAreReplaced()
    {
        Write("old.gif", "videos/base-001.webp", "videos/base-002.webp");
        Directory.CreateDirectory(Path.Combine(_out, "papers"));
        foreach (string mine in new[] { "notes.txt", "papers/one.pdf", "videos/mine.webp" })
        {
            File.WriteAllText(Path.Combine(_out, mine), "mine");
        }

        Write("new.gif", "videos/base-001.webp");
        string[] expected = ["new.gif", "notes.txt", "papers/one.pdf", "run-card.json", "videos/base-001.webp", "videos/mine.webp"];
        Assert.That(Entries(_out), Is.EqualTo(expected));
        Assert.That(File.ReadAllText(Path.Combine(_out, "papers", "one.pdf")), Is.EqualTo("mine"));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Has.Exactly(1).Items);
    }

    /// <summary>A name that a result takes now, and somebody else had taken before: both are kept.</summary>
    [Test]
    public void AFileInTheWayIsKeptBesideTheResult()
    {
        Write("old.gif");
        File.WriteAllText(Path.Combine(_out, "new.gif"), "mine");
        Write("new.gif");
        Assert.That(File.ReadAllText(Path.Combine(_out, "new.gif")), Is.EqualTo("new.gif"));
        string former = Directory.EnumerateDirectories(_folder, "out.former-*").Single();
        Assert.That(Entries(former), Is.EqualTo(new[] { "new.gif" }));
        Assert.That(File.ReadAllText(Path.Combine(former, "new.gif")), Is.EqualTo("mine"));
    }

    private void Write(params string[] files)
    {
        using ResultFolder folder = Open();
        Directory.CreateDirectory(folder["videos"]);
        foreach (string file in files)
        {
            File.WriteAllText(folder[file], file);
        }

        File.WriteAllText(folder["run-card.json"], $$"""{ "files": [{{string.Join(',', folder.Written().Select(file => $"\"{file}\""))}}] }""");
        folder.Finish();
    }

    private static IEnumerable<string> Entries(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .Select(file => Path.GetRelativePath(folder, file).Replace('\\', '/')).Order(StringComparer.Ordinal);
}
