using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S05: transformers' T5Tokenizer; every row must match exactly.</summary>
public sealed class T5TokenizerRunner : IConformanceRunner
{
    public string Suite => "S05-tokenizers";

    public IReadOnlyCollection<string> Kinds => ["transformers.T5Tokenizer"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        JsonElement config = testCase.Config;
        var tokenizer = new T5Tokenizer(
            SentencePieceModel.FromFile(testCase.PathOf(config.GetProperty("vocabulary").GetProperty("spiece").GetString()!)), config.GetProperty("max_length")
                .GetInt32());
        Assert.That(tokenizer.PadId, Is.EqualTo(config.GetProperty("pad_token_id").GetInt32()));
        Assert.That(tokenizer.EndId, Is.EqualTo(config.GetProperty("eos_token_id").GetInt32()));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(testCase.PathOf(testCase.Json.GetProperty("texts").GetString()!)));
        JsonElement[] rows = [.. document.RootElement.EnumerateArray()];
        string[] texts = [.. rows.Select(row => row.GetProperty("text").GetString()!)];
        using TokenBatch batch = tokenizer.Encode(texts, padToLongest: config.GetProperty("padding").GetString() == "longest");
        Assert.Multiple(() =>
        {
            for (int row = 0; row < rows.Length; row++)
            {
                string text = JsonSerializer.Serialize(texts[row]);
                Assert.That(batch.Ids[row].data<long>().ToArray(), Is.EqualTo(Numbers(rows[row], "ids")), $"{testCase}: ids of {text}");
                Assert.That(batch.AttentionMask[row].data<long>().ToArray(), Is.EqualTo(Numbers(rows[row], "attention_mask")), $"{testCase}: mask of {text}");
            }
        });
    }

    private static long[] Numbers(JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(number => number.GetInt64())];
}
