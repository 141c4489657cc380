using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models.OpenSora;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S05: Open-Sora's caption cleaning; every row must match exactly.</summary>
public sealed class CaptionRunner : IConformanceRunner
{
    public string Suite => "S05-tokenizers";

    public IReadOnlyCollection<string> Kinds => ["opensora.clean_caption"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(testCase.PathOf(testCase.Json.GetProperty("texts").GetString()!)));
        Assert.Multiple(() =>
        {
            foreach (JsonElement row in document.RootElement.EnumerateArray())
            {
                string text = row.GetProperty("text").GetString()!;
                string once = CaptionCleaner.Clean(text);
                Assert.That(once, Is.EqualTo(row.GetProperty("once").GetString()), $"{testCase}: once, of {JsonSerializer.Serialize(text)}");
                Assert.That(CaptionCleaner.Clean(once), Is.EqualTo(row.GetProperty("twice").GetString()),
                    $"{testCase}: twice, of {JsonSerializer.Serialize(text)}");
            }
        });
    }
}

/// <summary>S12: Open-Sora's prompt notation, stage by stage.</summary>
public sealed class OpenSoraPromptRunner : IConformanceRunner
{
    public string Suite => "S12-pipelines";

    public IReadOnlyCollection<string> Kinds => ["opensora.prompt-processing"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        Assert.Multiple(() =>
        {
            foreach (JsonElement row in testCase.Arguments.GetProperty("cases").EnumerateArray())
            {
                Check(row);
            }
        });
    }

    private static void Check(JsonElement row)
    {
        string text = row.GetProperty("prompt").GetString()!;
        if (row.TryGetProperty("error", out JsonElement error) && error.GetBoolean())
        {
            Assert.That(() => OpenSoraPrompt.Parse(text), Throws.InstanceOf<FormatException>(), text);
            return;
        }

        double? Score(string name) => row.GetProperty(name) is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : null;
        JsonElement expect = row.GetProperty("expect");
        OpenSoraPrompt prompt = OpenSoraPrompt.Parse(text);
        IReadOnlyList<string> scored = prompt.AddScores(Score("aes"), Score("flow"), row.GetProperty("camera_motion").GetString());
        IReadOnlyList<string> cleaned = OpenSoraPrompt.Clean(scored);
        string final = prompt.SelectForLoop(cleaned, row.GetProperty("loop").GetInt32());
        void Same(string name, object? actual) =>
            Assert.That(JsonSerializer.Serialize(actual), Is.EqualTo(JsonSerializer.Serialize(expect.GetProperty(name))), $"{name} of {text}");
        Same("prompt_without_json", prompt.Text);
        Same("reference_path", prompt.ReferencePath);
        Same("mask_strategy", prompt.MaskStrategy);
        Same("segments", prompt.Segments);
        Same("loop_idx", prompt.Loops);
        Same("scored", scored);
        Same("cleaned", cleaned);
        Same("merged", prompt.Merge(cleaned));
        Same("final", final);
        Same("reward_text", OpenSoraPrompt.RewardText(final));
    }
}
