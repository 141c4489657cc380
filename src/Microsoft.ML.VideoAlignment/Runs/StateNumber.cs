using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>Converts a double to text and back, to the last bit, whatever the culture.</summary>
internal static class StateNumber
{
    public static string ToText(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    public static bool TryParse(string? text, out double value) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
}
