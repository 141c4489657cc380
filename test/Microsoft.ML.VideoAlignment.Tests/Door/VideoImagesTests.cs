using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoImagesTests
{
    private static readonly VideoSize s_size = new(1, 2, 4);

    private string _folder = null!;

    [SetUp]
    public void Open() => _folder = Directory.CreateTempSubdirectory("images").FullName;

    [TearDown]
    public void Close() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void ImagesAreFoundInFoldersBelowInTheOrderOfTheirPaths()
    {
        Write("b.png", "a/z.JPG", "a/deep/c.webp", "notes.txt", "a/vector.svg");
        Assert.That(Names(VideoImages.FromFolder(_folder)), Is.EqualTo(new[] { "a/deep/c.webp", "a/z.JPG", "b.png" }));
    }

    [Test]
    public void ALinkOutOfTheFolderIsPassedOver()
    {
        Write("inside/a.png", "outside/b.png");
        try
        {
            File.CreateSymbolicLink(Path.Combine(_folder, "inside", "b.png"), Path.Combine(_folder, "outside", "b.png"));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Assert.Ignore($"links cannot be made here: {error.Message}");
        }

        Assert.That(Names(VideoImages.FromFolder(Path.Combine(_folder, "inside"))), Is.EqualTo(new[] { "inside/a.png" }));
    }

    [Test]
    public void FoldersNamedTrainAndTestAreTheSplit()
    {
        Write("train/a.png", "train/b.png", "test/c.png", "d.png");
        (IReadOnlyList<string> train, IReadOnlyList<string> test) = VideoImages.TrainTestSplit(_folder);
        Assert.That((Names(train), Names(test)), Is.EqualTo((new[] { "train/a.png", "train/b.png" }, new[] { "test/c.png" })));
    }

    [TestCase(0.2, 2)]
    [TestCase(0.01, 1)]
    [TestCase(0.99, 9)]
    public void AShareIsDrawnBySeed(double testFraction, int tests)
    {
        string[] files = [.. Enumerable.Range(0, 10).Select(i => $"{i}.png")];
        Write(files);
        (IReadOnlyList<string> train, IReadOnlyList<string> test) = VideoImages.TrainTestSplit(_folder, testFraction, seed: 7);
        Assert.That(test, Has.Count.EqualTo(tests));
        Assert.That(Names(train).Concat(Names(test)).Order(), Is.EqualTo(files), "every image once");
        Assert.That(train, Is.Ordered);
        Assert.That(VideoImages.TrainTestSplit(_folder, testFraction, seed: 7).TestSet, Is.EqualTo(test));
        Assert.That(Enumerable.Range(0, 9).Select(seed => VideoImages.TrainTestSplit(_folder, 0.2, seed).TestSet[0]).Distinct().Count(), Is.GreaterThan(1));
    }

    [Test]
    public void FaultsOfFoldersAreNamed()
    {
        string none = Path.Combine(_folder, "none");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => VideoImages.FromFolder(none), Throws.InstanceOf<DirectoryNotFoundException>().With.Message.Contains(none));
            Assert.That(() => VideoImages.FromFolder(_folder), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("PNG, JPEG, GIF, WebP or BMP"));
            Write("one.png");
            Assert.That(() => VideoImages.TrainTestSplit(_folder), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("at least two"));
            Assert.That(
                () => VideoImages.TrainTestSplit(_folder, double.NaN),
                Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("above 0 and below 1"));
            Write("train/a.png");
            Assert.That(() => VideoImages.TrainTestSplit(_folder), Throws.InstanceOf<DirectoryNotFoundException>().With.Message.Contains("test"));
            Assert.That(
                () => new MLContext(1).Data.LoadFromImages([Path.Combine(_folder, "two.png")], s_size),
                Throws.InstanceOf<FileNotFoundException>().With.Message.Contains("two.png"));
        }
    }

    [Test]
    public void TheTableHasTheShapeOfTheModel()
    {
        byte[][] rows = [Gray(0, 40, 80, 120), Gray(10, 50, 90, 130)];
        File.WriteAllBytes(Path.Combine(_folder, "a ship.png"), PngBytes.Write(4, 2, 8, 2, rows));
        IDataView table = new MLContext(1).Data.LoadFromImages(
            VideoImages.FromFolder(_folder), s_size, file => Path.GetFileNameWithoutExtension(file), imageColumnName: "Start", promptColumnName: "Text");
        Assert.That(table.Schema["Start"].Type, Is.EqualTo(new VectorDataViewType(NumberDataViewType.Single, 3, 2, 4)));
        Assert.That(table.GetColumn<string>("Text"), Is.EqualTo(new[] { "a ship" }));
        float[] image = table.GetColumn<float[]>("Start").Single();
        Assert.That(image[..8].Select(value => (int)Math.Round(value * 255)), Is.EqualTo(new[] { 0, 40, 80, 120, 10, 50, 90, 130 }));
    }

    /// <summary>The long side is cut on both ends alike; nothing is stretched.</summary>
    [TestCase(4, 8, 4, 4)]
    [TestCase(8, 4, 4, 4)]
    [TestCase(5, 9, 3, 5)]
    [TestCase(1, 1, 3, 7)]
    [TestCase(1000, 3, 3, 3)]
    public void TheMiddleIsKept(int height, int width, int toHeight, int toWidth)
    {
        using DisposeScope scope = NewDisposeScope();
        double scale = Math.Max(toHeight / (double)height, toWidth / (double)width);
        Tensor across = ((arange(width) + 0.5 - (width / 2.0)) / width).view(1, 1, -1).expand(3, height, -1);
        Tensor cropped = CenterCrop.Apply(across, toHeight, toWidth);
        Assert.That(cropped.shape, Is.EqualTo(new long[] { 3, toHeight, toWidth }));
        Assert.That(cropped.mean().item<float>(), Is.EqualTo(0).Within(0.1), "centered");
        float span = (cropped[0, 0, -1] - cropped[0, 0, 0]).item<float>();
        Assert.That(span, Is.EqualTo((toWidth - 1) / (width * scale) * (width > 1 ? 1 : 0)).Within(0.12));
    }

    [Test]
    public void AnImageOfTheShapeIsTakenAsItIs()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = arange(24, dtype: ScalarType.Float32).view(3, 2, 4);
        Assert.That(CenterCrop.Apply(image, 2, 4).data<float>().ToArray(), Is.EqualTo(image.data<float>().ToArray()));
    }

    private static byte[] Gray(params byte[] values) => [.. values.SelectMany(value => new[] { value, value, value })];

    private void Write(params string[] names)
    {
        foreach (string name in names)
        {
            string file = Path.Combine(_folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllBytes(file, []);
        }
    }

    private string[] Names(IEnumerable<string> files) => [.. files.Select(file => Path.GetRelativePath(_folder, file).Replace('\\', '/'))];
}
