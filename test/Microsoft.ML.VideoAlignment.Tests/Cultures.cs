using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Cultures whose users find what was written for another one: decimal commas, capitals of their own, signs that are not ASCII.</summary>
internal static class Cultures
{
    /// <summary>German (1,5), Turkish (1,5; the capital of i is İ), Persian (1٫5; a minus of its own).</summary>
    public static string[] Names { get; } = ["de-DE", "tr-TR", "fa-IR"];

    /// <summary>Runs <paramref name="work"/> under a culture, on this thread and on those that are started by it.</summary>
    /// <param name="name">One of <see cref="Names"/>; empty: the invariant culture.</param>
    /// <param name="work">What to run.</param>
    public static T Under<T>(string name, Func<T> work)
    {
        (CultureInfo culture, CultureInfo language) = (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture);
        (CultureInfo? threads, CultureInfo? languageOfThreads) = (CultureInfo.DefaultThreadCurrentCulture, CultureInfo.DefaultThreadCurrentUICulture);
        try
        {
            CultureInfo chosen = Of(name);
            (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture) = (chosen, chosen);
            (CultureInfo.DefaultThreadCurrentCulture, CultureInfo.DefaultThreadCurrentUICulture) = (chosen, chosen);
            return work();
        }
        finally
        {
            (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture) = (culture, language);
            (CultureInfo.DefaultThreadCurrentCulture, CultureInfo.DefaultThreadCurrentUICulture) = (threads, languageOfThreads);
        }
    }

    /// <summary>The machine's own culture; where it has none (Linux without ICU), its number signs on the invariant one, whose capitals stay English.</summary>
    private static CultureInfo Of(string name)
    {
        var culture = (CultureInfo)CultureInfo.GetCultureInfo(name).Clone();
        if (name.Length > 0 && culture.NumberFormat.NumberDecimalSeparator == ".")
        {
            (culture.NumberFormat.NumberDecimalSeparator, culture.NumberFormat.NumberGroupSeparator, culture.NumberFormat.NegativeSign) =
                name == "fa-IR" ? ("\u066B", "\u066C", "\u200E\u2212") : (",", ".", "-");
        }

        return culture;
    }
}
