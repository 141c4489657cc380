using ScottPlot;
using ScottPlot.Plottables;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>One line or one row of bars: a name, and places with means and intervals.</summary>
internal sealed record Series(string Name, IReadOnlyList<(double Place, Interval Value)> Points);

/// <summary>The charts of the pages: lines with their intervals as bands, and bars with whiskers; a panel each, side by side.</summary>
internal static class Chart
{
    private const int PanelWidth = 560, PanelHeight = 440;

    /// <summary>Lines over an axis.</summary>
    public static Plot Lines(string title, string xLabel, string yLabel, IReadOnlyList<Series> series)
    {
        Plot plot = Empty(title, xLabel, yLabel);
        foreach (Series each in series.Where(each => each.Points.Count > 0))
        {
            double[] places = [.. each.Points.Select(point => point.Place)];
            Color color = ColorOf(each.Name, series);
            if (each.Points.All(point => double.IsFinite(point.Value.HalfWidth)))
            {
                FillY band = plot.Add.FillY(places, [.. each.Points.Select(point => point.Value.Low)], [.. each.Points.Select(point => point.Value.High)]);
                (band.FillColor, band.LineColor, band.MarkerColor) = (color.WithAlpha(0.18), Colors.Transparent, Colors.Transparent);
            }

            Scatter line = plot.Add.Scatter(places, each.Points.Select(point => point.Value.Mean).ToArray(), color);
            (line.LineWidth, line.MarkerSize, line.LegendText) = (2.5f, 7, each.Name);
        }

        plot.ShowLegend(Edge.Bottom);
        return plot;
    }

    /// <summary>Bars in groups: place i of each series belongs to group i.</summary>
    public static Plot Bars(string title, string yLabel, IReadOnlyList<string> groups, IReadOnlyList<Series> series)
    {
        Plot plot = Empty(title, "", yLabel);
        double width = 0.8 / series.Count;
        foreach ((int at, Series each) in series.Index())
        {
            Bar[] bars =
            [
                .. each.Points.Select(point => new Bar
                {
                    Position = point.Place + ((at - ((series.Count - 1) / 2.0)) * width),
                    Value = point.Value.Mean,
                    Error = double.IsFinite(point.Value.HalfWidth) ? point.Value.HalfWidth : 0,
                    Size = width * 0.92,
                    FillColor = ColorOf(each.Name, series),
                    LineWidth = 1.2f,
                    LineColor = Colors.Black.WithAlpha(0.7),
                    ErrorSize = width * 0.25,
                }),
            ];
            plot.Add.Bars(bars).LegendText = each.Name;
        }

        plot.Axes.Bottom.SetTicks([.. Enumerable.Range(0, groups.Count).Select(group => (double)group)], [.. groups]);
        plot.Axes.Margins(bottom: 0.05, top: 0.1);
        plot.ShowLegend(Edge.Bottom);
        return plot;
    }

    /// <summary>Panels side by side.</summary>
    public static void Save(string path, params Plot[] panels)
    {
        var together = new Multiplot();
        together.AddPlots(0);
        foreach (Plot panel in panels)
        {
            together.AddPlot(panel);
        }

        together.Layout = new ScottPlot.MultiplotLayouts.Grid(1, panels.Length);
        together.SavePng(path, PanelWidth * panels.Length, PanelHeight);
    }

    private static Plot Empty(string title, string xLabel, string yLabel)
    {
        var plot = new Plot();
        plot.Title(title);
        plot.XLabel(xLabel);
        plot.YLabel(yLabel);
        return plot;
    }

    /// <summary>A method has one color in every chart; other names go through the palette.</summary>
    private static Color ColorOf(string name, IReadOnlyList<Series> series) =>
        name == Methods.Title(Methods.Base) ? Colors.Gray
        : name.StartsWith(Methods.Title(Methods.Ddpo), StringComparison.Ordinal) ? Colors.DarkOrange
        : name == Methods.Title(Methods.Dpo) ? Colors.SeaGreen
        : name == Methods.Title(Methods.Vader) ? Colors.SteelBlue
        : new ScottPlot.Palettes.Category10().GetColor(series.ToList().FindIndex(each => each.Name == name));
}
