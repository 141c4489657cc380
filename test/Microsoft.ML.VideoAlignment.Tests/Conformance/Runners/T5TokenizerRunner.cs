using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S05: transformers' T5Tokenizer; every row must match exactly.</summary>
public class T5TokenizerRunner : IConformanceRunner
{
    public virtual string Suite => "S05-tokenizers";

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
        if (config.TryGetProperty("clean", out JsonElement clean))
        {
            Assert.That(clean.GetString(), Is.EqualTo("prompt_clean"));
            texts = [.. texts.Select(PromptText.Clean)];
            Assert.That(texts, Is.EqualTo(rows.Select(row => row.GetProperty("cleaned").GetString())), $"{testCase}: cleaned");
        }

        using TokenBatch batch = tokenizer.Encode(texts, padToLongest: config.GetProperty("padding").GetString() == "longest");
        if (testCase.Names("out.").Any())
        {
            testCase.CheckOutput("ids", batch.Ids);
            testCase.CheckOutput("attention_mask", batch.AttentionMask);
        }

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

/// <summary>S19: UMT5's tokenizer, after the prompt is cleaned.</summary>
public sealed class UMT5TokenizerRunner : T5TokenizerRunner
{
    public override string Suite => "S19-wan";
}
