using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S05: OpenCLIP's SimpleTokenizer; every row must match exactly.</summary>
public sealed class OpenClipTokenizerRunner : IConformanceRunner
{
    public string Suite => "S05-tokenizers";

    public IReadOnlyCollection<string> Kinds => ["open_clip.SimpleTokenizer"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        ClipTokenizer tokenizer = OpenClipVocabulary.ReadTokenizer(testCase.PathOf(testCase.Config.GetProperty("vocabulary").GetProperty("bpe").GetString()!));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(testCase.PathOf(testCase.Json.GetProperty("texts").GetString()!)));
        JsonElement[] rows = [.. document.RootElement.EnumerateArray()];
        string[] texts = [.. rows.Select(row => row.GetProperty("text").GetString()!)];
        using TokenBatch batch = tokenizer.Encode(texts, testCase.Config.GetProperty("context_length").GetInt32());
        Assert.Multiple(() =>
        {
            for (int row = 0; row < rows.Length; row++)
            {
                long[] expected = [.. rows[row].GetProperty("ids").EnumerateArray().Select(number => number.GetInt64())];
                Assert.That(batch.Ids[row].data<long>().ToArray(), Is.EqualTo(expected), $"{testCase}: ids of {JsonSerializer.Serialize(texts[row])}");
            }
        });
    }
}
