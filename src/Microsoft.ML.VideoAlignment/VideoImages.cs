using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Makes tables of images from folders, to train and to test a model that makes videos from images.</summary>
public static class VideoImages
{
    /// <summary>Lists the image files of a folder and of the folders in it, in the ordinal order of their paths.</summary>
    /// <param name="folder">A folder with PNG, JPEG, GIF, WebP or BMP files; other files are passed over. Links are not followed out of it.</param>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist.</exception>
    /// <exception cref="InvalidDataException">There is no image in it.</exception>
    public static IReadOnlyList<string> FromFolder(string folder)
    {
        string[] files = [.. Find(folder)];
        return files.Length > 0 ? files : throw new InvalidDataException(
            $"There is no image in {Path.GetFullPath(folder)} or the folders in it: expected {ImageFormat.Names} files, known by their extensions.");
    }

    /// <summary>
    /// Divides the images of a folder into those to train on and those to test on: where it has the folders <c>train</c> and <c>test</c>, by these, else by a
    /// share.
    /// </summary>
    /// <param name="folder">A folder with images, as <see cref="FromFolder"/> reads it.</param>
    /// <param name="testFraction">The share of the images that is to test on, above 0 and below 1, rounded to at least one image a side. Not read where the
    /// folder has <c>train</c> and <c>test</c>. Default: 0.2.</param>
    /// <param name="seed">The seed of the draw; the same seed and files give the same sets.</param>
    /// <returns>The paths of both sets, each in ordinal order.</returns>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist, or it has one of <c>train</c> and <c>test</c> without the other.</exception>
    /// <exception cref="InvalidDataException">A set would be empty.</exception>
    public static (IReadOnlyList<string> TrainSet, IReadOnlyList<string> TestSet) TrainTestSplit(string folder, double testFraction = 0.2, int seed = 1)
    {
        if (!(testFraction is > 0 and < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(testFraction), testFraction, "testFraction must be above 0 and below 1.");
        }

        (string train, string test) = (Path.Combine(Require(folder), "train"), Path.Combine(folder, "test"));
        if (Directory.Exists(train) || Directory.Exists(test))
        {
            return (FromFolder(train), FromFolder(test));
        }

        string[] files = [.. FromFolder(folder)];
        if (files.Length < 2)
        {
            throw new InvalidDataException($"{Path.GetFullPath(folder)} has one image: expected at least two, one to train on and one to test on.");
        }

        int tests = Math.Clamp((int)Math.Round(files.Length * testFraction), 1, files.Length - 1);
        string[] drawn = [.. files];
        new Random(seed).Shuffle(drawn);
        HashSet<string> testSet = [.. drawn[..tests]];
        return ([.. files.Where(file => !testSet.Contains(file))], [.. files.Where(testSet.Contains)]);
    }

    /// <summary>
    /// Makes a table of images for a model: an image column of <c>Vector&lt;Single, 3, H, W&gt;</c>, RGB in [0, 1], and a text column of prompts. Images are
    /// turned upright (Exif), laid on white where they are transparent, resized until they cover the model's shape, and cropped around their middle.
    /// </summary>
    /// <param name="data">The data catalog, <c>mlContext.Data</c>.</param>
    /// <param name="files">Paths of PNG, JPEG, GIF, WebP or BMP files; of an animated one the first frame is read. Each is read when its row is.</param>
    /// <param name="size">Height and width of the videos in pixels, such as a model's <c>DefaultSize</c>.</param>
    /// <param name="prompt">Makes a row's prompt from its file's path; null: an empty prompt, for models that read none.</param>
    /// <param name="imageColumnName">The image column's name. Default: Image.</param>
    /// <param name="promptColumnName">The prompt column's name. Default: Prompt.</param>
    /// <param name="limits">The largest file that is read; null: the defaults.</param>
    /// <exception cref="FileNotFoundException">A file does not exist.</exception>
    /// <remarks>Reading a row throws <see cref="InvalidDataException"/> where its file is not a readable image.</remarks>
    public static IDataView LoadFromImages(
        this DataOperationsCatalog data,
        IEnumerable<string> files,
        VideoSize size,
        Func<string, string>? prompt = null,
        string imageColumnName = nameof(Row.Image),
        string promptColumnName = nameof(Row.Prompt),
        ImageLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(files);
        ArgumentException.ThrowIfNullOrEmpty(imageColumnName);
        ArgumentException.ThrowIfNullOrEmpty(promptColumnName);
        ArgumentOutOfRangeException.ThrowIfLessThan(size.Height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(size.Width, 1);
        (string Prompt, Func<Tensor> Image)[] rows =
            [.. files.Select(file => (prompt?.Invoke(file) ?? "", InputImage.FromFile(file, "LoadFromImages", limits ?? new ImageLimits())))];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        (SchemaDefinition.Column text, SchemaDefinition.Column image) = (schema[nameof(Row.Prompt)], schema[nameof(Row.Image)]);
        text.ColumnName = promptColumnName;
        image.ColumnName = imageColumnName;
        image.ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, size.Height, size.Width);
        return data.LoadFromEnumerable(rows.Select(row => new Row { Prompt = row.Prompt, Image = Read(row.Image, size) }), schema);
    }

    private static float[] Read(Func<Tensor> image, VideoSize size)
    {
        using DisposeScope scope = NewDisposeScope();
        return UnitRange.Clamp(CenterCrop.Apply(image(), size.Height, size.Width)).data<float>().ToArray();
    }

    private static IEnumerable<string> Find(string folder)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.Hidden | FileAttributes.System };
        return Directory.EnumerateFiles(Require(folder), "*", options)
            .Where(file => ImageFormat.HasKnownExtension(file) && ImageFolder.Resolve(folder, Path.GetRelativePath(folder, file)) is not null)
            .Order(StringComparer.Ordinal);
    }

    private static string Require(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return Directory.Exists(folder) ? folder
            : throw new DirectoryNotFoundException($"There is no folder '{Quotation.Shorten(Path.GetFullPath(folder))}': expected a folder with images.");
    }

    private sealed class Row
    {
        public string Prompt { get; set; } = "";

        public float[] Image { get; set; } = [];
    }
}
