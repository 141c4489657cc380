using System.Text;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Text and JSON as other programs write them.</summary>
public class JsonFileTests
{
    private static readonly UTF8Encoding s_marked = new(encoderShouldEmitUTF8Identifier: true);

    [TestCase("{ \"a\": 1 }")]
    [TestCase("\r\n{\r\n\t\"a\": 1\r\n}\r\n")]
    public void AByteOrderMarkAndLineEndsDoNotMatter(string text)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("a.json", [.. s_marked.GetPreamble(), .. s_marked.GetBytes(text)]);
        Assert.That(JsonFile.ReadObject(path).GetProperty("a").GetInt32(), Is.EqualTo(1));
    }

    [Test]
    public void PythonsNumbersAreTextsAndTheirNamesInTextStay()
    {
        JsonElement json = JsonFile.Parse("""{ "a": -Infinity, "b": [NaN, Infinity], "c": "x: NaN, \" Infinity" }""", "here");
        Assert.That(json.GetRawText(), Is.EqualTo("""{ "a": "-Infinity", "b": ["NaN", "Infinity"], "c": "x: NaN, \" Infinity" }"""));
    }

    [TestCase("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 10\n", "Git LFS pointer")]
    [TestCase("<!DOCTYPE html><html><body>404</body></html>", "web page")]
    [TestCase("", "empty")]
    [TestCase("{ \"a\": 1, }", "not valid JSON")]
    [TestCase("[1]", "not a JSON object")]
    [TestCase("{ \"a\": \"\\ud83d\" }", "an invalid string")]
    [TestCase("{ \"a\": [{ \"\\udc00\": 1 }] }", "an invalid string")]
    public void AnotherKindIsNamedWithTheFile(string text, string mentions)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("config.json", Encoding.UTF8.GetBytes(text));
        Assert.That(() => JsonFile.ReadObject(path), Throws.TypeOf<WeightFileException>().With.Message.StartsWith(path).And.Message.Contains(mentions));
    }

    [Test]
    public void OtherEncodingsFoldersAndAbsentFilesAreNamed()
    {
        using var folder = new TemporaryFolder();
        string wide = folder.Write("wide.json", [.. Encoding.Unicode.GetPreamble(), .. Encoding.Unicode.GetBytes("{}")]);
        string latin = folder.Write("latin.json", [(byte)'"', 0xe9, (byte)'"']);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => JsonFile.Read(wide), Throws.TypeOf<WeightFileException>().With.Message.StartsWith(wide).And.Message.Contains("UTF-16"));
            Assert.That(() => JsonFile.Read(latin), Throws.TypeOf<WeightFileException>().With.Message.StartsWith(latin).And.Message.Contains("UTF-8"));
            Assert.That(() => JsonFile.Read($"{folder}"), Throws.TypeOf<WeightFileException>().With.Message.Contains("is a folder"));
            Assert.That(() => JsonFile.Read(folder.Path("none.json")), Throws.TypeOf<WeightFileException>().With.Message.Contains("no such file"));
            Assert.That(() => JsonFile.Read(wide, maxBytes: 3), Throws.TypeOf<WeightFileException>().With.Message.Contains("at most 3"));
        }
    }

    [Test]
    public void LinesEndWithLfOrCrLf()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("merges.txt", [.. s_marked.GetPreamble(), .. "#version: 0.2\r\na b\r\nc d\n"u8]);
        Assert.That(TextFile.ReadLines(path), Is.EqualTo(new[] { "#version: 0.2", "a b", "c d" }));
    }
}
