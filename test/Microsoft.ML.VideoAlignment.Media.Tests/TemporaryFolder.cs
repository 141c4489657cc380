namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A folder of a test's own.</summary>
public abstract class TemporaryFolder
{
    protected string Root { get; private set; } = "";

    [SetUp]
    public void MakeFolder() => Root = Directory.CreateTempSubdirectory("media-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(Root, recursive: true);

    protected string In(string name) => Path.Combine(Root, name);

    protected string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(In(name), bytes);
        return In(name);
    }
}
