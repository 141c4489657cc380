using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// Open-Sora's names of sizes and lengths. Ratios are height:width, so 16:9 is a tall video; the sizes of a resolution have about the same number of pixels and
/// are not always even.
/// </summary>
/// <remarks>Reference: Open-Sora, <c>datasets/aspect.py</c>.</remarks>
internal static class OpenSoraSizes
{
    /// <summary>Frames a second that the network is told of a single image.</summary>
    public const double ImageFramesPerSecond = 120;

    private const string Unknown = "-";

    /// <summary>Ratios, in the order of the columns below.</summary>
    private static readonly string[] s_ratios =
    [
        "3:8", "9:21", "12:25", "1:2", "9:17", "27:50", "9:16", "5:8", "2:3", "3:4", "1:1", "4:3", "3:2", "16:9", "17:9", "2:1", "50:27",
    ];

    /// <summary>Number of pixels, and height x width for each ratio; "-": the reference has no such size.</summary>
    private static readonly Dictionary<string, (int Pixels, string Sizes)> s_resolutions = new(StringComparer.Ordinal)
    {
        ["144p"] = (36864, "117x312 125x291 133x277 135x270 139x262 141x260 144x256 151x241 156x234 166x221 192x192 221x165 235x156 256x144 263x139 "
            + "271x135 277x132"),
        ["256"] = (65536, "- - 176x368 - - - - - - - - - - - - - -"),
        ["240p"] = (102240, "196x522 210x490 222x462 226x452 232x438 236x436 240x426 252x404 262x393 276x368 320x320 370x278 392x262 426x240 440x232 "
            + "452x226 462x222"),
        ["360p"] = (230400, "294x784 314x732 332x692 340x680 350x662 352x652 360x640 380x608 392x588 416x554 480x480 554x416 588x392 640x360 660x350 "
            + "678x340 692x332"),
        ["512"] = (262144, "- - 352x736 - - - - - - - - - - - - - -"),
        ["480p"] = (409920, "392x1046 420x980 444x925 452x904 466x880 470x870 480x854 506x810 522x784 554x738 640x640 740x555 784x522 854x480 "
            + "880x466 906x454 924x444"),
        ["720p"] = (921600, "588x1568 628x1466 666x1388 678x1356 698x1318 706x1306 720x1280 758x1212 784x1176 832x1110 960x960 1108x832 1176x784 "
            + "1280x720 1320x698 1358x680 1386x666"),
        ["1024"] = (1048576, "- - 704x1472 - - - - - - - - - - - - - -"),
        ["1080p"] = (2073600, "882x2352 942x2198 998x2080 1018x2036 1048x1980 1058x1958 1080x1920 1138x1820 1176x1764 1248x1664 1440x1440 1662x1246 "
            + "1764x1176 1920x1080 1980x1048 2036x1018 2078x998"),
        ["2k"] = (3686400, "1176x3136 1256x2930 1330x2770 1358x2716 1398x2640 1412x2612 1440x2560 1518x2428 1568x2352 1662x2216 1920x1920 2218x1664 "
            + "2352x1568 2560x1440 2638x1396 2716x1358 2772x1330"),
        ["2048"] = (4194304, "- - 1408x2944 - - - - - - - - - - - - - -"),
        ["2880"] = (8294400, "- - - - - - - - - - - - - - - - -"),
        ["4k"] = (8294400, "1764x4704 1886x4400 1996x4158 2036x4072 2096x3960 2118x3918 2160x3840 2276x3642 2352x3528 2494x3326 2880x2880 3326x2494 "
            + "3528x2352 3840x2160 3958x2096 4072x2036 4156x1994"),
    };

    private static readonly Dictionary<string, int> s_lengths = new(StringComparer.Ordinal)
    {
        ["1x"] = 51,
        ["2x"] = 102,
        ["4x"] = 204,
        ["8x"] = 408,
        ["16x"] = 816,
        ["2s"] = 51,
        ["4s"] = 102,
        ["8s"] = 204,
        ["16s"] = 408,
        ["32s"] = 816,
    };

    /// <summary>Gives a size in pixels.</summary>
    /// <param name="resolution">Such as "240p".</param>
    /// <param name="ratio">height:width, such as "9:16".</param>
    /// <exception cref="ArgumentException">The size is not one of Open-Sora's; the message lists what there is.</exception>
    public static (int Height, int Width) ImageSize(string resolution, string ratio)
    {
        int column = Array.IndexOf(s_ratios, ratio);
        string[] sizes = Resolution(resolution).Sizes.Split(' ');
        if (column < 0 || sizes[column] == Unknown)
        {
            string[] known = [.. s_ratios.Where((_, i) => sizes[i] != Unknown)];
            throw new ArgumentException(
                $"Open-Sora has no size '{resolution}' with the ratio '{ratio}' (height:width); this resolution has "
                    + $"{(known.Length == 0 ? "none" : string.Join(", ", known))}.",
                nameof(ratio));
        }

        int[] sides = [.. sizes[column].Split('x').Select(side => int.Parse(side, CultureInfo.InvariantCulture))];
        return (sides[0], sides[1]);
    }

    /// <summary>Gives the number of pixels of a resolution, about that of its sizes.</summary>
    /// <param name="resolution">Such as "240p".</param>
    /// <exception cref="ArgumentException">The resolution is not one of Open-Sora's; the message lists what there is.</exception>
    public static int PixelCount(string resolution) => Resolution(resolution).Pixels;

    /// <summary>Gives the number of frames of a length.</summary>
    /// <param name="length">Such as "2s" or "4x", or a number of frames.</param>
    /// <exception cref="ArgumentException">It is neither.</exception>
    public static int FrameCount(string length) =>
        s_lengths.TryGetValue(length, out int named) ? named
        : int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out int frames) && frames > 0 ? frames
        : throw new ArgumentException($"'{length}' is not a length: expected a number of frames or {string.Join(", ", s_lengths.Keys)}.", nameof(length));

    private static (int Pixels, string Sizes) Resolution(string name) => s_resolutions.TryGetValue(name, out (int, string) found)
        ? found
        : throw new ArgumentException($"Open-Sora has no resolution '{name}'; it has {string.Join(", ", s_resolutions.Keys)}.", nameof(name));
}
