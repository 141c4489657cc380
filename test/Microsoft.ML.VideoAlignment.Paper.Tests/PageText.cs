using Microsoft.ML.VideoAlignment.Paper;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What a page says.</summary>
internal static class PageText
{
    public static string Of(Page page)
    {
        string path = Path.GetTempFileName();
        page.Write(path, [], "a command");
        string text = File.ReadAllText(path);
        File.Delete(path);
        return text;
    }
}
