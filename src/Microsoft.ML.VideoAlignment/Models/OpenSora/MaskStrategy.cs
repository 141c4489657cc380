using System.Globalization;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Which latent frames of a video are given by references, in Open-Sora's words: groups of "loop,reference,reference start,target start,length,edit ratio"
/// between semicolons, missing fields being 0,0,0,0,1,0. Reference: Open-Sora, <c>apply_mask_strategy</c>.
/// </summary>
/// <param name="Loop">The loop of a long video in which the group acts.</param>
/// <param name="Reference">Number of the sample's reference.</param>
/// <param name="ReferenceStart">First frame taken from it; negative: from its end.</param>
/// <param name="TargetStart">First frame given; negative: from the end.</param>
/// <param name="Length">Frames, cut to both ends.</param>
/// <param name="EditRatio">0: kept as given; 1: made anew; between: noised to this time and made from there.</param>
internal readonly record struct MaskStrategy(int Loop, int Reference, int ReferenceStart, int TargetStart, int Length, float EditRatio)
{
    /// <summary>Reads groups.</summary>
    /// <param name="text">Groups between semicolons.</param>
    /// <exception cref="FormatException">A field is not a number, or there are too many.</exception>
    public static IReadOnlyList<MaskStrategy> Parse(string text) => [.. text.Split(';').Where(group => group.Length > 0).Select(ParseGroup)];

    /// <summary>Gives the groups that act in one segment of a video. Without a strategy the first image begins the video.</summary>
    /// <param name="strategy">In Open-Sora's notation, or empty.</param>
    /// <param name="references">Images of the prompt.</param>
    /// <param name="segment">Which segment, from 0.</param>
    /// <param name="segments">Segments of the video.</param>
    /// <param name="only">The loop that a video of one segment is. What is written for loop 0 acts in it too where nothing is written for this one.</param>
    public static IReadOnlyList<MaskStrategy> InSegment(string strategy, int references, int segment, int segments, int only)
    {
        if (strategy.Length == 0)
        {
            return references > 0 && segment == 0 ? Parse("0") : [];
        }

        IReadOnlyList<MaskStrategy> all = Parse(strategy);
        int loop = segments > 1 ? segment : all.Any(group => group.Loop == only) ? only : 0;
        return [.. all.Where(group => group.Loop == loop)];
    }

    /// <summary>Puts the frames in place that strategies give in one loop.</summary>
    /// <param name="z">[B, c, T', h, w].</param>
    /// <param name="references">For each sample the latents [c, t, h, w] of its references.</param>
    /// <param name="strategies">One text a sample.</param>
    /// <param name="loop">Only groups of this loop act.</param>
    /// <param name="align">Starts snap to multiples of this, the latent frames of a chunk; null: they do not.</param>
    /// <returns>z with the given frames, and the frame mask [B, T'], 1 where nothing is given.</returns>
    public static (Tensor Latents, Tensor FrameMask) Apply(
        Tensor z, IReadOnlyList<IReadOnlyList<Tensor>> references, IReadOnlyList<string> strategies, int loop, int? align) =>
        Apply(z, references, [.. strategies.Select(strategy => Parse(strategy).Where(group => group.Loop == loop).ToList())], align);

    /// <summary>Puts the frames in place that groups give, which all act, whichever loop they name. Carries gradient from the references.</summary>
    /// <param name="z">[B, c, T', h, w].</param>
    /// <param name="references">For each sample the latents [c, t, h, w] of its references.</param>
    /// <param name="groups">The groups of each sample.</param>
    /// <param name="align">Starts snap to multiples of this, the latent frames of a chunk; null: they do not.</param>
    /// <returns>z with the given frames, and the frame mask [B, T'], 1 where nothing is given.</returns>
    /// <exception cref="FormatException">A start lies before the first frame.</exception>
    public static (Tensor Latents, Tensor FrameMask) Apply(
        Tensor z, IReadOnlyList<IReadOnlyList<Tensor>> references, IReadOnlyList<IReadOnlyList<MaskStrategy>> groups, int? align)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor latents = z.clone();
        int frames = (int)z.shape[2];
        float[,] mask = new float[z.shape[0], frames];
        for (int row = 0; row < mask.GetLength(0); row++)
        {
            for (int frame = 0; frame < frames; frame++)
            {
                mask[row, frame] = 1;
            }
        }

        for (int row = 0; row < groups.Count; row++)
        {
            foreach (MaskStrategy group in groups[row])
            {
                if (group.Reference < 0 || group.Reference >= references[row].Count)
                {
                    throw new ArgumentException(
                        $"The mask strategy of sample {row} names reference {group.Reference}; there are {references[row].Count}.", nameof(groups));
                }

                Tensor reference = references[row][group.Reference];
                int given = (int)reference.shape[1];
                int from = Start(group.ReferenceStart, given, align), to = Start(group.TargetStart, frames, align);
                int length = Math.Min(group.Length, Math.Min(frames - to, given - from));
                if (length <= 0)
                {
                    continue;
                }

                latents[row].narrow(1, to, length).copy_(reference.narrow(1, from, length));
                for (int frame = to; frame < to + length; frame++)
                {
                    mask[row, frame] = group.EditRatio;
                }
            }
        }

        return (latents.MoveToOuterDisposeScope(), DeviceTable.Upload(tensor(mask), z.device).MoveToOuterDisposeScope());
    }

    private static MaskStrategy ParseGroup(string group)
    {
        string[] fields = group.Split(',');
        if (fields.Length > 6)
        {
            throw new FormatException(
                $"Mask strategy '{Quotation.Shorten(group)}': expected at most 6 fields (loop, reference, reference start, target start, length, edit ratio), "
                    + $"got {fields.Length}.");
        }

        int Integer(int field, int fallback) =>
            field >= fields.Length ? fallback
            : int.TryParse(fields[field], NumberStyles.Integer, CultureInfo.InvariantCulture, out int number) ? number
            : throw new FormatException(
                $"Mask strategy '{Quotation.Shorten(group)}': field {field + 1}: expected a whole number, got '{Quotation.Shorten(fields[field])}'.");
        float ratio = 0;
        return fields.Length < 6 || float.TryParse(fields[5], NumberStyles.Float, CultureInfo.InvariantCulture, out ratio)
            ? new MaskStrategy(Integer(0, 0), Integer(1, 0), Integer(2, 0), Integer(3, 0), Integer(4, 1), ratio)
            : throw new FormatException($"Mask strategy '{Quotation.Shorten(group)}': field 6: expected a number, got '{Quotation.Shorten(fields[5])}'.");
    }

    // A start of an axis of length frames, snapped to the nearest multiple of align that begins a whole stretch.
    private static int Start(int start, int length, int? align)
    {
        int value = start < 0 ? length + start : start;
        if (value < 0)
        {
            throw new FormatException($"A mask strategy begins {-start} latent frames before the end of {length}: expected a start from {-length} to "
                + $"{length - 1}.");
        }

        if (align is not { } size)
        {
            return value;
        }

        int stretch = value / size;
        return (stretch + (2 * (value % size) > size && stretch < (length / size) - 1 ? 1 : 0)) * size;
    }
}
