using System.Globalization;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>
/// Says which row of a batch is not finite, and where it came to be so: a video with NaN in it is not a video, and infinity would be cut to white.
/// </summary>
internal static class FiniteVideo
{
    /// <summary>Tells of each row whether it is finite.</summary>
    /// <param name="x">[B, ...].</param>
    /// <returns>Booleans [B] on the device of <paramref name="x"/>.</returns>
    public static Tensor AreRowsFinite(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        return x.isfinite().reshape(x.shape[0], -1).all(1).MoveToOuterDisposeScope();
    }

    /// <summary>Finds the first row that is not finite; waits for the device.</summary>
    /// <param name="rows">What <see cref="AreRowsFinite"/> gave.</param>
    /// <returns>Null: all rows are finite.</returns>
    public static int? FindNotFinite(Tensor rows)
    {
        int row = HostRead.Numbers<bool>(rows).AsSpan().IndexOf(false);
        return row < 0 ? null : row;
    }

    /// <summary>Throws where decoded frames are not finite.</summary>
    /// <param name="pixels">Decoder output [B, 3, f, H, W].</param>
    /// <param name="frames">Which frames of the segment they are.</param>
    /// <param name="prompts">The rows' prompts, for the message; empty: not known.</param>
    /// <exception cref="NotFiniteNumberException">They are not.</exception>
    public static void RequireDecoded(Tensor pixels, IReadOnlyList<int> frames, IReadOnlyList<string> prompts)
    {
        if (MetaOps.IsMeta(pixels))
        {
            return;
        }

        using Tensor rows = AreRowsFinite(pixels);
        if (FindNotFinite(rows) is { } row)
        {
            throw new NotFiniteNumberException(
                $"The decoder's output for frames {string.Join(", ", frames)} is not finite{DescribeRow(row, prompts)}, though the latents are. "
                + "Weights in half precision overflow: load the model with VideoModelOptions.Precision Float32 or BFloat16."
                + RunContext.Current.Precision.AdviseAgainstOverflow(NetworkRole.Decoder));
        }
    }

    /// <summary>Names a row for a message.</summary>
    /// <param name="row">The row, from 0.</param>
    /// <param name="prompts">The rows' prompts; empty: not known.</param>
    public static string DescribeRow(int row, IReadOnlyList<string> prompts) => row < prompts.Count
        ? string.Create(CultureInfo.InvariantCulture, $" for row {row} of the batch, prompt '{Quotation.Shorten(prompts[row])}'")
        : string.Create(CultureInfo.InvariantCulture, $" for row {row} of the batch");
}
