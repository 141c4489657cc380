namespace Microsoft.ML.VideoAlignment.Rewards.VJepa;

/// <summary>The random numbers of a set of masks, in the order in which V-JEPA's collator takes them.</summary>
internal interface IMaskDraws
{
    /// <summary>Three uniform numbers in [0, 1) of one mask: extent in time, share of the image, aspect ratio.</summary>
    (float Time, float Space, float Aspect) Size();

    /// <summary>A block's place: uniform integers.</summary>
    /// <param name="tops">Bound of the first row, exclusive.</param>
    /// <param name="lefts">Bound of the first column, exclusive.</param>
    /// <param name="starts">Bound of the first token in time, exclusive.</param>
    (int Top, int Left, int Start) Position(int tops, int lefts, int starts);
}

/// <summary>Draws from a generator, on the CPU, so that a seed means the same on every device.</summary>
/// <param name="generator">On the CPU; the caller's.</param>
internal sealed class GeneratorMaskDraws(Generator generator) : IMaskDraws
{
    public (float Time, float Space, float Aspect) Size()
    {
        using Tensor drawn = rand(3, dtype: ScalarType.Float32, generator: generator);
        float[] values = drawn.data<float>().ToArray();
        return (values[0], values[1], values[2]);
    }

    public (int Top, int Left, int Start) Position(int tops, int lefts, int starts) => (Below(tops), Below(lefts), Below(starts));

    private int Below(int bound)
    {
        using Tensor drawn = randint(0, bound, [1], dtype: ScalarType.Int64, generator: generator);
        return (int)drawn.data<long>()[0];
    }
}

/// <summary>
/// V-JEPA's multi-block masks over a grid of tokens (facebookresearch/jepa, src/masks/multiblock3d.py): which tokens a prediction is made from (context) and
/// which are predicted, as ascending lists of indices (t * rows + row) * columns + column.
/// </summary>
internal static class MultiBlockMasks
{
    /// <summary>The reference draws again for ever.</summary>
    private const int MostAttempts = 1000;

    /// <summary>Draws the masks of a batch.</summary>
    /// <param name="masks">How to hide.</param>
    /// <param name="grid">Tokens over time, rows and columns.</param>
    /// <param name="batch">B, the number of videos.</param>
    /// <param name="draws">Where random numbers come from.</param>
    /// <returns>One pair a mask: context [B, K] and predicted [B, M], int64 on the CPU; rows are cut to the shortest of the batch.</returns>
    /// <exception cref="ArgumentException">The masks leave nothing to predict from, or nothing to predict, on this grid.</exception>
    public static IReadOnlyList<(Tensor Context, Tensor Predicted)> Draw(
        IReadOnlyList<VJepaMask> masks, (int Frames, int Rows, int Columns) grid, int batch, IMaskDraws draws)
    {
        (float Time, float Space, float Aspect)[] sizes = [.. masks.Select(_ => draws.Size())];
        return [.. masks.Select((mask, i) =>
        {
            (int, int, int) block = BlockSize(mask, grid, sizes[i]);
            (List<long> Context, List<long> Predicted)[] videos = [.. Enumerable.Range(0, batch).Select(_ => OneVideo(mask, i, grid, block, draws))];
            int context = Math.Min(videos.Min(video => video.Context.Count), mask.MaxKeep ?? int.MaxValue);
            int predicted = videos.Min(video => video.Predicted.Count);
            return (Rows(videos.Select(video => video.Context), context), Rows(videos.Select(video => video.Predicted), predicted));
        })];
    }

    private static (int Frames, int Rows, int Columns) BlockSize(
        VJepaMask mask, (int Frames, int Rows, int Columns) grid, (float Time, float Space, float Aspect) drawn)
    {
        int frames = Math.Max(1, (int)(grid.Frames * Between(mask.TemporalScale, drawn.Time)));
        int keep = (int)(grid.Rows * grid.Columns * Between(mask.SpatialScale, drawn.Space));
        double aspect = Between(mask.AspectRatio, drawn.Aspect);
        return (frames, Math.Min((int)Math.Round(Math.Sqrt(keep * aspect)), grid.Rows), Math.Min((int)Math.Round(Math.Sqrt(keep / aspect)), grid.Columns));
    }

    private static double Between((double Low, double High) range, float drawn) => range.Low + (drawn * (range.High - range.Low));

    private static (List<long> Context, List<long> Predicted) OneVideo(
        VJepaMask mask, int place, (int Frames, int Rows, int Columns) grid, (int Frames, int Rows, int Columns) block, IMaskDraws draws)
    {
        int lastContext = Math.Max(1, (int)(grid.Frames * mask.MaxTemporalKeep));
        for (int attempt = 0; attempt < MostAttempts; attempt++)
        {
            bool[] hidden = new bool[grid.Frames * grid.Rows * grid.Columns];
            Array.Fill(hidden, true, lastContext * grid.Rows * grid.Columns, (grid.Frames - lastContext) * grid.Rows * grid.Columns);
            for (int i = 0; i < mask.Blocks; i++)
            {
                Hide(hidden, grid, block, draws.Position(grid.Rows - block.Rows + 1, grid.Columns - block.Columns + 1, grid.Frames - block.Frames + 1));
            }

            List<long> context = [], predicted = [];
            for (int token = 0; token < hidden.Length; token++)
            {
                (hidden[token] ? predicted : context).Add(token);
            }

            if (context.Count > 0)
            {
                return predicted.Count > 0 ? (context, predicted) : throw Useless(place, grid, "hides no token: its blocks are smaller than one patch");
            }
        }

        throw Useless(place, grid, $"hid every token in {MostAttempts} draws");
    }

    private static void Hide(
        bool[] hidden, (int Frames, int Rows, int Columns) grid, (int Frames, int Rows, int Columns) block, (int Top, int Left, int Start) at)
    {
        for (int frame = at.Start; frame < at.Start + block.Frames; frame++)
        {
            for (int row = at.Top; row < at.Top + block.Rows; row++)
            {
                Array.Fill(hidden, true, (((frame * grid.Rows) + row) * grid.Columns) + at.Left, block.Columns);
            }
        }
    }

    private static Tensor Rows(IEnumerable<List<long>> videos, int count)
    {
        using DisposeScope scope = NewDisposeScope();
        return stack([.. videos.Select(video => tensor(video.Take(count).ToArray()))]).MoveToOuterDisposeScope();
    }

    private static ArgumentException Useless(int place, (int Frames, int Rows, int Columns) grid, string why) => new(
        $"V-JEPA mask {place} on a grid of {grid.Frames} x {grid.Rows} x {grid.Columns} tokens {why}. "
            + "Give it another number of blocks or another spatial scale.");
}
