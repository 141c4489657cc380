using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ImageFolderTests
{
    private string _root = "";

    [SetUp]
    public void MakeFolder() => _root = Path.GetFullPath(Directory.CreateTempSubdirectory("folder-").FullName);

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_root, recursive: true);

    [TestCase("a.png", "a.png")]
    [TestCase("b/../a.png", null)]
    [TestCase("./a.png", "a.png")]
    [TestCase("a[0].png", "a[0].png")]
    [TestCase("%03d.png", "%03d.png")]
    [TestCase("console.png", "console.png")]
    [TestCase("nul.png", null)]
    [TestCase("com1", null)]
    [TestCase("x/LPT9.jpg", null)]
    [TestCase("", null)]
    [TestCase("/a.png", null)]
    [TestCase("..", null)]
    [TestCase("..\\a.png", null)]
    [TestCase("file:///a.png", null)]
    [TestCase("a\0.png", null)]
    public void PathsStayInside(string path, string? inside) =>
        Assert.That(ImageFolder.Resolve(_root, path), Is.EqualTo(inside is null ? null : Path.Combine(ImageFolder.Resolve(_root, "x")![..^2], inside)));

    /// <summary>".." after a link is its target's parent, not the link's.</summary>
    [Test]
    public void LinksAreFollowedPartByPart()
    {
        string inner = Directory.CreateDirectory(Path.Combine(_root, "inside", "deep")).FullName;
        string folder = Path.Combine(_root, "inside");
        File.WriteAllText(Path.Combine(_root, "secret.png"), "");
        Directory.CreateSymbolicLink(Path.Combine(inner, "here"), folder);
        File.CreateSymbolicLink(Path.Combine(inner, "out.png"), "here/../secret.png");
        File.CreateSymbolicLink(Path.Combine(inner, "in.png"), "here/deep/x.png");
        Assert.That(ImageFolder.Resolve(folder, "deep/out.png"), Is.Null);
        Assert.That(ImageFolder.Resolve(folder, "deep/in.png"), Does.EndWith(Path.Combine("inside", "deep", "x.png")));
        Directory.CreateSymbolicLink(Path.Combine(_root, "insider"), Path.Combine(_root, "insider2"));
        Directory.CreateSymbolicLink(Path.Combine(inner, "twin"), Path.Combine(_root, "inside2"));
        Assert.That(ImageFolder.Resolve(folder, "deep/twin/x.png"), Is.Null, "a folder whose name begins alike");
    }
}
