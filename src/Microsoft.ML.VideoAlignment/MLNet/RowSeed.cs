using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Derives the seed of a row's noise from the content of the row alone, so that a row gives the same video first or last, shuffled, filtered, cached, in a
/// batch, or alone in a <c>PredictionEngine</c>.
/// </summary>
/// <remarks>
/// The price is that equal rows give equal videos; a seed column tells rows of one prompt apart. A row's position, and the id that ML.NET derives from it,
/// change with the table and would break all of this.
/// </remarks>
internal static class RowSeed
{
    /// <summary>The first 8 bytes of SHA-256 over (run seed, row seed, prompt in UTF-8).</summary>
    /// <param name="runSeed">Seed of the run.</param>
    /// <param name="rowSeed">Value of the seed column; 0 without one.</param>
    /// <param name="prompt">The prompt.</param>
    public static ulong Derive(long runSeed, long rowSeed, string prompt)
    {
        byte[] content = new byte[16 + Encoding.UTF8.GetByteCount(prompt)];
        BinaryPrimitives.WriteInt64LittleEndian(content, runSeed);
        BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(8), rowSeed);
        Encoding.UTF8.GetBytes(prompt, content.AsSpan(16));
        return BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(content));
    }

    /// <summary>Creates the reader of a seed column.</summary>
    /// <param name="row">The row, or a cursor.</param>
    /// <param name="column">An Int32 or Int64 column.</param>
    public static Func<long> CreateReader(DataViewRow row, DataViewSchema.Column column)
    {
        return column.Type == NumberDataViewType.Int64 ? Read<long>(value => value) : Read<int>(value => value);

        Func<long> Read<T>(Func<T, long> widen)
        {
            ValueGetter<T> getter = row.GetGetter<T>(column);
            return () =>
            {
                T value = default!;
                getter(ref value);
                return widen(value);
            };
        }
    }
}
