using Microsoft.ML.VideoAlignment.MovingShapes;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Scripts and plug-ins run in somebody else's folder: the embedded models are found where the package is, too.</summary>
public class MovingShapesFilesTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("places-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    private string Make(params string[] path) => Directory.CreateDirectory(Path.Combine([_folder, .. path])).FullName;

    [Test]
    public void TheProgramsFolderComesFirst()
    {
        string part = Make("host", "MovingShapes", "clip");
        Make("plugin", "MovingShapes", "clip");
        Assert.That(Find("clip"), Is.EqualTo(part));
    }

    [Test]
    public void BesideTheAssemblyIsNext() => Assert.That(Make("plugin", "MovingShapes", "clip"), Is.EqualTo(Find("clip")));

    /// <summary>A script references lib/net10.0/Microsoft.ML.VideoAlignment.MovingShapes.dll in the package's folder.</summary>
    [Test]
    public void InThePackageItIsUnderBuildTransitive()
    {
        string part = Make("package", "0.1.0", "buildTransitive", "MovingShapes", "clip");
        string assembly = Make("package", "0.1.0", "lib", "net10.0");
        Assert.That(MovingShapesFiles.Find("clip", MovingShapesFiles.Places(Path.Combine(_folder, "host"), assembly)), Is.EqualTo(part));
    }

    [Test]
    public void TheErrorListsThePlaces()
    {
        string[] places = [Path.Combine(_folder, "host", "MovingShapes"), Path.Combine(_folder, "plugin", "MovingShapes")];
        Assert.That(() => Find("clip"), Throws.InstanceOf<FileNotFoundException>().With.Message.Contains($"'clip' is at none of {places[0]}, {places[1]}, "));
    }

    /// <summary>In a single file the assembly has no place of its own.</summary>
    [Test]
    public void OfASingleFileOnlyTheProgramsFolderCounts() =>
        Assert.That(MovingShapesFiles.Places(_folder, ""), Is.EqualTo(new[] { Path.Combine(_folder, "MovingShapes") }));

    private string Find(string part) => MovingShapesFiles.Find(part, MovingShapesFiles.Places(Path.Combine(_folder, "host"), Path.Combine(_folder, "plugin")));
}
