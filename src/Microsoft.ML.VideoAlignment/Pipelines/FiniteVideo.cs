using System.Globalization;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>
/// Says which row of a batch is not finite, and where it came to be so: a video with NaN in it is not a video, and infinity would be cut to white.
/// </summary>
internal static class FiniteVideo
{
    /// <summary>Whether each row [B, ...] is finite: [B], on its device.</summary>
    public static Tensor Rows(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        return x.isfinite().reshape(x.shape[0], -1).all(1).MoveToOuterDisposeScope();
    }

    /// <summary>The first row that is not; null: all are. Waits for the device.</summary>
    public static int? FirstNot(Tensor rows)
    {
        using Tensor host = rows.cpu();
        int row = host.data<bool>().ToArray().AsSpan().IndexOf(false);
        return row < 0 ? null : row;
    }

    /// <summary>Throws where decoded frames are not finite.</summary>
    /// <param name="pixels">Decoder output [B, 3, f, H, W].</param>
    /// <param name="frames">Which frames of the segment they are.</param>
    /// <param name="prompts">Of the rows, for the message; empty: not known.</param>
    /// <exception cref="NotFiniteNumberException">They are not.</exception>
    public static void RequireDecoded(Tensor pixels, IReadOnlyList<int> frames, IReadOnlyList<string> prompts)
    {
        if (MetaOps.IsMeta(pixels))
        {
            return;
        }

        using Tensor rows = Rows(pixels);
        if (FirstNot(rows) is { } row)
        {
            throw new NotFiniteNumberException(
                $"The decoder's output for frames {string.Join(", ", frames)} is not finite{Named(row, prompts)}, though the latents are. "
                + "Weights in half precision overflow: load the model with VideoModelOptions.Precision Full or BFloat16.");
        }
    }

    /// <summary>The row as a message names it.</summary>
    public static string Named(int row, IReadOnlyList<string> prompts) => row < prompts.Count
        ? string.Create(CultureInfo.InvariantCulture, $" for row {row} of the batch, prompt '{Quotation.Shorten(prompts[row])}'")
        : string.Create(CultureInfo.InvariantCulture, $" for row {row} of the batch");
}
