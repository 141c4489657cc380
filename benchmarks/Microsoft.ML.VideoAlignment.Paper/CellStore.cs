using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>
/// Finished cells, one JSON file each, written under another name and moved to their place when whole: what has its place is finished, and an interrupted
/// campaign goes on where it stopped.
/// </summary>
internal sealed class CellStore(string folder)
{
    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true };

    /// <summary>The result of exactly this cell; null where there is none, or one of other settings, or one that cannot be read.</summary>
    public CellResult? Find(ExperimentConfig cell)
    {
        string path = PathOf(cell);
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            CellResult? result = JsonSerializer.Deserialize<CellResult>(File.ReadAllText(path), s_json);
            return result?.Cell == cell && Enumerable.Range(0, cell.Videos).All(video => File.Exists(VideoOf(cell, video))) ? result : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Puts a result in its place. Videos go before it.</summary>
    public void Write(CellResult result)
    {
        Directory.CreateDirectory(folder);
        string path = PathOf(result.Cell), temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            File.WriteAllText(temporary, JsonSerializer.Serialize(result, s_json) + "\n");
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>Where a video of the cell is kept; its folder is made.</summary>
    public string VideoOf(ExperimentConfig cell, int video) =>
        Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "films", cell.Name)).FullName, $"{video}.gif");

    internal string PathOf(ExperimentConfig cell) => Path.Combine(folder, cell.Name + ".json");

    public static string ToText(ExperimentConfig cell) => JsonSerializer.Serialize(cell);

    public static ExperimentConfig FromText(string text) => JsonSerializer.Deserialize<ExperimentConfig>(text) ?? throw new JsonException("The cell is null.");
}
