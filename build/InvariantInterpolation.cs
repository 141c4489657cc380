using System.ComponentModel;
using System.Globalization;
using System.Text;

// The compiler takes this type for every $"..." of an assembly that holds it.
namespace System.Runtime.CompilerServices;

/// <summary>
/// Makes every interpolated string of the assembly the same under every culture: numbers in messages, logs and files are written one way ("0.01", "-1"),
/// whoever writes them and whatever machine they run on. The framework's own handler, which this stands in for, follows the current culture. Text that is meant
/// to follow it would name the culture (<c>string.Create(CultureInfo.CurrentCulture, ...)</c>); there is none.
/// </summary>
[InterpolatedStringHandler]
[EditorBrowsable(EditorBrowsableState.Never)]
internal readonly ref struct DefaultInterpolatedStringHandler
{
    private readonly StringBuilder _text;

    /// <param name="literalLength">Characters outside the holes.</param>
    /// <param name="formattedCount">Holes.</param>
    public DefaultInterpolatedStringHandler(int literalLength, int formattedCount) => _text = new StringBuilder(literalLength + (8 * formattedCount));

    public void AppendLiteral(string value) => _text.Append(value);

    public void AppendFormatted(string? value) => _text.Append(value);

    public void AppendFormatted(string? value, int alignment = 0, string? format = null) => Pad(value ?? "", alignment);

    public void AppendFormatted(scoped ReadOnlySpan<char> value) => _text.Append(value);

    public void AppendFormatted(scoped ReadOnlySpan<char> value, int alignment = 0, string? format = null) => Pad(value.ToString(), alignment);

    public void AppendFormatted(object? value, int alignment = 0, string? format = null) => Pad(Text(value, format), alignment);

    public void AppendFormatted<T>(T value) => _text.Append(Text(value, null));

    public void AppendFormatted<T>(T value, string? format) => _text.Append(Text(value, format));

    public void AppendFormatted<T>(T value, int alignment) => Pad(Text(value, null), alignment);

    public void AppendFormatted<T>(T value, int alignment, string? format) => Pad(Text(value, format), alignment);

    /// <summary>The finished string.</summary>
    public string ToStringAndClear()
    {
        string text = _text.ToString();
        _text.Clear();
        return text;
    }

    /// <summary>What knows no culture, such as a record, may hold numbers and follows the current one.</summary>
    private static string Text<T>(T value, string? format)
    {
        if (value is IFormattable formattable)
        {
            return formattable.ToString(format, CultureInfo.InvariantCulture);
        }

        CultureInfo current = CultureInfo.CurrentCulture;
        if (value is null or string || ReferenceEquals(current, CultureInfo.InvariantCulture))
        {
            return value?.ToString() ?? "";
        }

        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        try
        {
            return value.ToString() ?? "";
        }
        finally
        {
            CultureInfo.CurrentCulture = current;
        }
    }

    private void Pad(string value, int alignment) => _text.Append(alignment < 0 ? value.PadRight(-alignment) : value.PadLeft(alignment));
}
