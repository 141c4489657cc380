using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using TorchSharp;
using static TorchSharp.torch;
using ShapesVideo = Microsoft.ML.VideoAlignment.MovingShapes.World.ShapesVideo;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Painted first frames of videos, of which is known what they show: as captioned videos begin, half of them dull.</summary>
/// <remarks>
/// Their seeds are of this experiment alone: nothing embedded was trained on them, and no choice of the experiment was made on those that are measured.
/// </remarks>
internal sealed class FirstFrames
{
    private const int TrainingSeed = 20407081, UnseenSeed = 20407084;

    private readonly Excerpt[] _excerpts;

    private FirstFrames(int seed, int count)
    {
        var random = new Random(seed);
        _excerpts = [.. Enumerable.Range(0, count).Select(i => Excerpt.BeginningOf(ShapesVideo.Draw(random, dull: i % 2 == 0)))];
    }

    /// <summary>What a reward of whole videos is shown of a long one: the pace that it was trained at, the joints as well.</summary>
    public static RewardFrames Windows { get; } = RewardFrames.Windows(ShapesVideo.Frames, ShapesVideo.Frames / 2);

    /// <summary>What the images show.</summary>
    public IReadOnlyList<Subject> Subjects => [.. _excerpts.Select(excerpt => excerpt.Subject)];

    /// <summary>Draws images to align on.</summary>
    /// <param name="count">How many.</param>
    public static FirstFrames ForTraining(int count) => new(TrainingSeed, count);

    /// <summary>Draws images to measure on.</summary>
    /// <param name="count">How many.</param>
    public static FirstFrames Unseen(int count) => new(UnseenSeed, count);

    /// <summary>Makes a table of the images, with captions as their prompts.</summary>
    /// <param name="mlContext">The context of the table.</param>
    public IDataView Load(MLContext mlContext)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor images = Excerpt.PaintFirst(_excerpts);
        Row[] rows = [.. _excerpts.Select((excerpt, i) => new Row { Prompt = Captions.Of(excerpt.Subject, 0), Image = images[i].data<float>().ToArray() })];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Image)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, ShapesVideo.Size, ShapesVideo.Size);
        return mlContext.Data.LoadFromEnumerable(rows, schema);
    }

    private sealed class Row
    {
        public string Prompt { get; set; } = "";

        public float[] Image { get; set; } = [];
    }
}
