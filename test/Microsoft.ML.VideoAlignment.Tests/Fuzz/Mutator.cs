using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Damages an input as chance and malice do: bits, cuts, repeats, splices, extreme numbers in binary and in text, values of another kind, words of formats,
/// depth.
/// </summary>
/// <param name="random">Decides everything.</param>
/// <param name="words">Words of the format.</param>
internal sealed class Mutator(Random random, IReadOnlyList<string> words)
{
    private const int MoreChanges = 3, MostGrowth = 1 << 16;

    private const string Letters = "[{(<\"'a \\/.-_@&#%x0";

    private static readonly string[] s_words =
    [
        "null", "true", "false", "[]", "{}", "\"\"", "NaN", "Infinity", "-Infinity", "-1", "0", "1e308", "1e-320", "9223372036854775807",
            "-9223372036854775808", "18446744073709551616", "4294967295", "2147483648",
        "\u0000", "\ufeff", "\ud800", "../", "..\\", "/", "\\", ":", "\"", "'", "{", "}", "[", "]", "<", ">", "&#1114112;", "&lt;", "%00", "%s", "\r\n", "\t",
            " ", "|0|", ";", ",",
    ];

    private static readonly long[] s_extremes = [0, 1, -1, 2, 127, 128, 255, 256, short.MaxValue, ushort.MaxValue, int.MaxValue, int.MinValue, uint.MaxValue,
        long.MaxValue, long.MinValue, 1L << 40];

    /// <summary>A damaged copy of a seed.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="other">Another seed, to splice with.</param>
    public byte[] Mutate(byte[] seed, byte[] other)
    {
        List<byte> bytes = [.. seed];
        int most = (seed.Length * 2) + MostGrowth;
        for (int change = random.Next(3) > 0 ? 1 : 1 + random.Next(1, MoreChanges + 1); change > 0; change--)
        {
            Change(bytes, other);
            if (bytes.Count > most)
            {
                bytes.RemoveRange(most, bytes.Count - most);
            }
        }

        return [.. bytes];
    }

    // Longer than 60 lines: one switch over the kinds of damage, of a few lines each.
    private void Change(List<byte> bytes, byte[] other)
    {
        int place = random.Next(bytes.Count + 1);
        int left = bytes.Count - place;
        switch (random.Next(14))
        {
            case 0 when left > 0:
                bytes[place] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when left > 0:
                bytes[place] = (byte)random.Next(256);
                break;
            case 2:
                byte[] fresh = new byte[random.Next(1, 9)];
                random.NextBytes(fresh);
                bytes.InsertRange(place, fresh);
                break;
            case 3:
                bytes.RemoveRange(place, Math.Min(left, random.Next(1, 1 << random.Next(1, 8))));
                break;
            case 4:
                bytes.RemoveRange(place, left);
                break;
            case 5:
                List<byte> part = bytes.GetRange(place, Math.Min(left, random.Next(1, 64)));
                for (int again = random.Next(1, 1 << random.Next(1, 9)); again > 0; again--)
                {
                    bytes.InsertRange(place, part);
                }

                break;
            case 6:
                int from = random.Next(other.Length + 1);
                bytes.RemoveRange(place, left);
                bytes.AddRange(other[from..]);
                break;
            case 7:
                Number(bytes, place);
                break;
            case 8:
                Digits(bytes, place);
                break;
            case 9:
                bytes.InsertRange(place, Word());
                break;
            case 10:
                bytes.RemoveRange(place, Math.Min(left, random.Next(1, 12)));
                bytes.InsertRange(place, Word());
                break;
            case 11:
                Value(bytes, place);
                break;
            case 12:
                // Depth, and runs of one letter, for what goes back and forth over a text.
                bytes.InsertRange(place, Enumerable.Repeat((byte)Letters[random.Next(Letters.Length)], 1 << random.Next(4, 14)));
                break;
            default:
                List<byte> cut = bytes.GetRange(place, Math.Min(left, random.Next(1, 256)));
                bytes.RemoveRange(place, cut.Count);
                bytes.InsertRange(random.Next(bytes.Count + 1), cut);
                break;
        }
    }

    private byte[] Word() =>
        Encoding.UTF8.GetBytes(words.Count > 0 && random.Next(2) == 0 ? words[random.Next(words.Count)] : s_words[random.Next(s_words.Length)]);

    /// <summary>A binary number of 2, 4 or 8 bytes becomes an extreme one, or the length of the file.</summary>
    private void Number(List<byte> bytes, int place)
    {
        long value = random.Next(4) == 0 ? bytes.Count + random.Next(-1, 2) : s_extremes[random.Next(s_extremes.Length)];
        byte[] eight = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(eight, value);
        int width = 2 << random.Next(3);
        for (int i = 0; i < width && place + i < bytes.Count; i++)
        {
            bytes[place + i] = eight[i];
        }
    }

    /// <summary>The next number written in digits becomes an extreme one.</summary>
    private void Digits(List<byte> bytes, int place)
    {
        int start = bytes.FindIndex(place, letter => char.IsAsciiDigit((char)letter));
        if (start >= 0)
        {
            int end = bytes.FindIndex(start, letter => !char.IsAsciiDigit((char)letter));
            bytes.RemoveRange(start, (end < 0 ? bytes.Count : end) - start);
            string number = random.Next(3) switch
            {
                0 => s_extremes[random.Next(s_extremes.Length)].ToString(CultureInfo.InvariantCulture),
                1 => $"1e{random.Next(-400, 400)}",
                _ => $"{random.NextInt64(1L << random.Next(1, 62))}",
            };
            bytes.InsertRange(start, Encoding.ASCII.GetBytes(number));
        }
    }

    /// <summary>The next value behind a colon becomes one of another kind.</summary>
    private void Value(List<byte> bytes, int place)
    {
        int colon = bytes.FindIndex(place, letter => letter == (byte)':');
        if (colon >= 0)
        {
            int end = bytes.FindIndex(colon, letter => letter is (byte)',' or (byte)'}' or (byte)']' or (byte)'\n');
            bytes.RemoveRange(colon + 1, (end < 0 ? bytes.Count : end) - colon - 1);
            bytes.InsertRange(colon + 1, Encoding.ASCII.GetBytes(s_words[random.Next(18)]));
        }
    }
}
