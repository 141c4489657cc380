using System.Text.Json;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>A byte-pair vocabulary.</summary>
/// <param name="Ids">The ids by token.</param>
/// <param name="Merges">The merges ("left right") in the order in which they apply.</param>
internal sealed record BpeVocabulary(IReadOnlyDictionary<string, int> Ids, IReadOnlyList<string> Merges)
{
    /// <summary>Numbers the tokens of OpenAI's merges: the 256 bytes as letters, the same at the end of a word, one token a merge, start, end.</summary>
    /// <param name="merges">The merges ("left right") in order.</param>
    /// <param name="start">The token before a text.</param>
    /// <param name="end">The token after a text.</param>
    public static BpeVocabulary FromMerges(IReadOnlyList<string> merges, string start, string end)
    {
        string[] letters = [.. Letters()];
        string[] tokens =
            [.. letters, .. letters.Select(letter => $"{letter}</w>"), .. merges.Select(merge => merge.Replace(" ", "", StringComparison.Ordinal)), start, end];
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < tokens.Length; id++)
        {
            // Of two merges into one token the last counts, as in the reference's dict.
            ids[tokens[id]] = id;
        }

        return new BpeVocabulary(ids, merges);
    }

    /// <summary>Reads vocab.json and merges.txt (whose first line is a version).</summary>
    /// <param name="vocabPath">The path of vocab.json.</param>
    /// <param name="mergesPath">The path of merges.txt.</param>
    /// <exception cref="FileNotFoundException">One of them does not exist.</exception>
    public static BpeVocabulary FromVocabAndMerges(string vocabPath, string mergesPath)
    {
        string missing = File.Exists(vocabPath) ? mergesPath : vocabPath;
        if (!File.Exists(missing))
        {
            throw new FileNotFoundException($"CLIP tokenizer: there is no {missing}. A vocabulary is vocab.json with merges.txt, or tokenizer.json.", missing);
        }

        Dictionary<string, int> ids = JsonFile.ReadObject(vocabPath).Deserialize<Dictionary<string, int>>()!;
        static bool IsMerge(string line, int index) => line.Length > 0 && !(index == 0 && line.StartsWith("#version", StringComparison.Ordinal));
        string[] merges = [.. TextFile.ReadLines(mergesPath).Where(IsMerge)];
        return new BpeVocabulary(ids, merges);
    }

    /// <summary>Reads the model part of a tokenizer.json, whose merges are pairs or, in older files, "left right".</summary>
    /// <param name="json">The whole file.</param>
    public static BpeVocabulary FromTokenizerJson(JsonElement json)
    {
        JsonElement model = json.GetProperty("model");
        Dictionary<string, int> ids = model.GetProperty("vocab").Deserialize<Dictionary<string, int>>()!;
        string[] merges =
        [
            .. model.GetProperty("merges").EnumerateArray()
                .Select(merge => merge.ValueKind != JsonValueKind.Array ? merge.GetString()!
                    : merge.GetArrayLength() == 2 ? $"{merge[0].GetString()} {merge[1].GetString()}"
                    : throw new InvalidDataException($"CLIP tokenizer: a merge must be a pair of tokens, got {merge.GetArrayLength()} tokens.")),
        ];
        return new BpeVocabulary(ids, merges);
    }

    /// <summary>GPT-2's byte letters: printable bytes as themselves, the others as U+0100 upwards, in this order.</summary>
    private static IEnumerable<string> Letters()
    {
        static bool Printable(int code) => code is >= 33 and <= 126 or >= 161 and <= 172 or >= 174 and <= 255;
        return Enumerable.Range(0, 256).Where(Printable).Concat(Enumerable.Range(256, Enumerable.Range(0, 256).Count(code => !Printable(code))))
            .Select(code => ((char)code).ToString());
    }
}
