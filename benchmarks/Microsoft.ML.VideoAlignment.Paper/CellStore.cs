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
    public CellResult? Find(Cell cell)
    {
        string path = PathOf(cell);
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            CellResult? result = JsonSerializer.Deserialize<CellResult>(File.ReadAllText(path), s_json);
            return result?.Cell == cell && Enumerable.Range(0, cell.Films).All(film => File.Exists(FilmOf(cell, film))) ? result : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Puts a result in its place. Films go before it.</summary>
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

    /// <summary>Where a film of the cell is kept; its folder is made.</summary>
    public string FilmOf(Cell cell, int film) =>
        Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "films", cell.Name)).FullName, $"{film}.gif");

    internal string PathOf(Cell cell) => Path.Combine(folder, cell.Name + ".json");

    public static string ToText(Cell cell) => JsonSerializer.Serialize(cell);

    public static Cell FromText(string text) => JsonSerializer.Deserialize<Cell>(text) ?? throw new JsonException("The cell is null.");
}
