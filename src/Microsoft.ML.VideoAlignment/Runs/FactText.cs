using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>Describes values as texts that differ wherever the values do: culture-invariant, with every element of lists and every field of records.</summary>
internal static class FactText
{
    // Hexadecimal digits of a hash that are shown and compared: 64 bits.
    private const int HashDigits = 16;

    /// <summary>Describes a value.</summary>
    /// <param name="value">A number, text, list, or record of such; null is "none".</param>
    public static string Describe(object? value) => value switch
    {
        null => "none",
        string text => $"'{text}'",
        Enum name => name.ToString(),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        bool flag => flag ? "true" : "false",
        ITuple tuple => $"({string.Join(", ", Enumerable.Range(0, tuple.Length).Select(place => Describe(tuple[place])))})",
        IEnumerable list => $"[{string.Join(", ", list.Cast<object?>().Select(Describe))}]",
        _ => Fields(value),
    };

    /// <summary>Hashes texts of any length.</summary>
    /// <param name="parts">Each is hashed with its length, so that "a", "bc" differs from "ab", "c".</param>
    /// <returns>The first digits of a SHA-256.</returns>
    public static string Hash(IEnumerable<string> parts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string part in parts)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(part);
            hash.AppendData(BitConverter.GetBytes((long)bytes.Length));
            hash.AppendData(bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..HashDigits];
    }

    /// <summary>
    /// Describes every field of a record, private ones too; fields of records within it as "OUTER.INNER", unless the record is one kind of several: then as one
    /// text with its kind.
    /// </summary>
    /// <param name="value">A record.</param>
    /// <returns>Names and texts, in the order of the names.</returns>
    public static IEnumerable<(string Name, string Text)> DescribeMembers(object value) =>
        Read(value).SelectMany(field => IsRecord(field.Value) && field.Value!.GetType() == field.Declared
        ? DescribeMembers(field.Value).Select(inner => ($"{field.Name}.{inner.Name}", inner.Text))
        : [(field.Name, Describe(field.Value))]);

    // "Type { A = 1, B = 'x' }".
    private static string Fields(object value) =>
        $"{value.GetType().Name} {{ {string.Join(", ", Read(value).Select(field => $"{field.Name} = {Describe(field.Value)}"))} }}";

    private static bool IsRecord(object? value) => value is not (null or string or bool or IFormattable or ITuple or IEnumerable);

    private static IEnumerable<(string Name, Type Declared, object? Value)> Read(object value) =>
        value.GetType().GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Select(field => (
                Name: field.Name.Split('<', '>') is [_, { Length: > 0 } property, ..] ? property : field.Name.TrimStart('_'),
                Declared: Nullable.GetUnderlyingType(field.FieldType) ?? field.FieldType,
                Value: field.GetValue(value)))
            .OrderBy(field => field.Name, StringComparer.Ordinal);
}
