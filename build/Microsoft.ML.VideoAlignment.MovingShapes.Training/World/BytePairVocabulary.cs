using System.Text;
using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>
/// A byte pair encoding (Sennrich et al. 2016) in CLIP's layout whose merges are learned from a word list, each word counted once, until every word is
/// one token: ids are the 256 byte letters, the same ending a word, the merges in order, start and end of text.
/// </summary>
internal sealed class BytePairVocabulary
{
    public const string Start = "<|startoftext|>";
    public const string End = "<|endoftext|>";
    public const int MaximumLength = 20;

    private const string WordEnd = "</w>";

    private static readonly JsonSerializerOptions s_indented =
        new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public BytePairVocabulary(IEnumerable<string> words)
    {
        Merges = Learn(words);
        string[] letters = [.. ByteLetters()];
        Ids = letters.Concat(letters.Select(letter => letter + WordEnd)).Concat(Merges.Select(merge => merge.Left + merge.Right)).Append(Start).Append(End)
            .Select((token, id) => (token, id)).ToDictionary(pair => pair.token, pair => pair.id, StringComparer.Ordinal);
    }

    public IReadOnlyList<(string Left, string Right)> Merges { get; }

    public IReadOnlyDictionary<string, int> Ids { get; }

    /// <summary>Id of a whole word of the list.</summary>
    public int this[string word] => Ids[word + WordEnd];

    /// <summary>start, one id a word, end, then end again up to 20: what a CLIP tokenizer gives for a caption made of the list's words.</summary>
    public long[] Encode(string caption)
    {
        long[] ids = new long[MaximumLength];
        Array.Fill(ids, Ids[End]);
        ids[0] = Ids[Start];
        string[] words = caption.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length > MaximumLength - 2)
        {
            throw new ArgumentException($"The caption has {words.Length} words, more than {MaximumLength - 2}: \"{caption}\".", nameof(caption));
        }

        for (int i = 0; i < words.Length; i++)
        {
            ids[i + 1] = this[words[i]];
        }

        return ids;
    }

    /// <summary>[N, 20] int64.</summary>
    public Tensor Encode(IReadOnlyList<string> captions) =>
        tensor(captions.SelectMany(Encode).ToArray(), [captions.Count, MaximumLength]);

    /// <summary>
    /// Writes vocab.json, merges.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json, as transformers' CLIPTokenizer reads them.
    /// </summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        WriteJson("vocab.json", Ids);
        File.WriteAllText(Path.Combine(folder, "merges.txt"), "#version: 0.2\n" + string.Concat(Merges.Select(merge => $"{merge.Left} {merge.Right}\n")));
        WriteJson("tokenizer_config.json", new Dictionary<string, object>
        {
            ["add_prefix_space"] = false,
            ["bos_token"] = Start,
            ["do_lower_case"] = true,
            ["eos_token"] = End,
            ["errors"] = "replace",
            ["model_max_length"] = MaximumLength,
            ["pad_token"] = End,
            ["tokenizer_class"] = "CLIPTokenizer",
            ["unk_token"] = End,
        });
        WriteJson("special_tokens_map.json", new Dictionary<string, string>
        {
            ["bos_token"] = Start,
            ["eos_token"] = End,
            ["pad_token"] = End,
            ["unk_token"] = End,
        });
        WriteJson("tokenizer.json", FastTokenizer());

        void WriteJson(string name, object value) => File.WriteAllText(Path.Combine(folder, name), JsonSerializer.Serialize(value, s_indented) + "\n");
    }

    private Dictionary<string, object?> FastTokenizer()
    {
        return new()
        {
            ["version"] = "1.0",
            ["truncation"] = new { direction = "Right", max_length = MaximumLength, strategy = "LongestFirst", stride = 0 },
            ["padding"] = new
            {
                strategy = new { Fixed = MaximumLength },
                direction = "Right",
                pad_to_multiple_of = (int?)null,
                pad_id = Ids[End],
                pad_type_id = 0,
                pad_token = End
            },
            ["added_tokens"] = new[] { Special(Start), Special(End) },
            ["normalizer"] = new
            {
                type = "Sequence",
                normalizers = new object[] { new { type = "NFC" }, new { type = "Replace", pattern = new { Regex = @"\s+" },
                    content = " " }, new { type = "Lowercase" } },
            },
            ["pre_tokenizer"] = new
            {
                type = "Sequence",
                pretokenizers = new object[]
                {
                    new { type = "Split",
                        pattern = new { Regex = @"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+" },
                            behavior = "Removed", invert = true },
                    new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = true },
                },
            },
            ["post_processor"] = new
            {
                type = "RobertaProcessing",
                sep = new object[] { End, Ids[End] },
                cls = new object[] { Start, Ids[Start] },
                trim_offsets = false,
                add_prefix_space = false
            },
            ["decoder"] = new { type = "ByteLevel", add_prefix_space = true, trim_offsets = true, use_regex = true },
            ["model"] = new
            {
                type = "BPE",
                dropout = (double?)null,
                unk_token = End,
                continuing_subword_prefix = "",
                end_of_word_suffix = WordEnd,
                fuse_unk = false,
                byte_fallback = false,
                ignore_merges = false,
                vocab = Ids,
                merges = Merges.Select(merge => new[] { merge.Left, merge.Right }),
            },
        };

        object Special(string token) =>
            new { id = Ids[token], content = token, single_word = false, lstrip = false, rstrip = false, normalized = false, special = true };
    }

    private static List<(string Left, string Right)> Learn(IEnumerable<string> words)
    {
        List<List<string>> pieces = [.. words.Select(word => word.Select((letter, i) => i == word.Length - 1 ? letter + WordEnd : letter.ToString()).ToList())];
        var merges = new List<(string Left, string Right)>();
        while (pieces.Any(word => word.Count > 1))
        {
            (string left, string right) = pieces.SelectMany(word => word.Zip(word.Skip(1))).GroupBy(pair => pair)
                .OrderByDescending(group => group.Count()).ThenBy(group => group.Key.First, StringComparer.Ordinal)
                .ThenBy(group => group.Key.Second, StringComparer.Ordinal)
                .First().Key;
            merges.Add((left, right));
            foreach (List<string> word in pieces)
            {
                for (int i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i] == left && word[i + 1] == right)
                    {
                        word[i] = left + right;
                        word.RemoveAt(i + 1);
                    }
                }
            }
        }

        return merges;
    }

    /// <summary>
    /// The letters that stand for bytes in GPT-2's and CLIP's vocabularies: printable Latin-1 as itself, then the other bytes from U+0100 on.
    /// </summary>
    private static IEnumerable<string> ByteLetters()
    {
        static bool IsPrintable(int value) => value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
        return Enumerable.Range(0, 256).Where(IsPrintable).Concat(Enumerable.Range(256, 256 - Enumerable.Range(0, 256).Count(IsPrintable)))
            .Select(code => new Rune(code).ToString());
    }
}
