using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.MovingShapes;
using static Microsoft.ML.VideoAlignment.Tests.FuzzSeeds;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Captions, prompts, and files of prompts.</summary>
internal static class TextReaders
{
    public static IEnumerable<FuzzReader> All()
    {
        string[] captions = [.. JsonNode.Parse(Case("S05-tokenizers", "clean-caption", "texts.json"))!.AsArray().Take(40).Select(text => $"{text!["text"]}")];
        yield return Text("caption", text => CaptionCleaner.Clean(CaptionCleaner.Clean(text)), [], captions)
            with
        {
            Words = ["https://", "www.", ".com", "<person>", "<a href=\"", "</", "&amp;", "#12345", "@", "%E4%B8", "free shipping", "\u31c0", "a1b2c3d4",
            "click on ", "_-_-_", "x\u0445"]
        };
        yield return Text("Open-Sora prompt", text =>
        {
            var prompt = OpenSoraPrompt.Parse(text);
            IReadOnlyList<string> cleaned = OpenSoraPrompt.Clean(prompt.AddScores());
            _ = prompt.Merge(cleaned);
            _ = prompt.SelectForLoop(cleaned, 1);
            _ = OpenSoraPrompt.ReferencedImages(text);
            _ = MaskStrategy.InSegment(prompt.MaskStrategy, 2, 1, 3, only: 1).Count;
        }, [typeof(FormatException), typeof(NotSupportedException)],
            """|0| a sunny day |2| a rainy day {"reference_path": "a.png;b.png", "mask_strategy": "0,0,0,0,1;1,1,-1,2,1,0.5"}""", "a ship",
                """a {"mask_strategy": "1"}""")
            with
        { Words = ["|0|", "|", "{\"reference_path\": \"", "\"mask_strategy\": \"", "aesthetic score:", "motion score:", ",", ";", "-1"] };
        var clip = ClipTokenizer.FromFolder(MovingShapesFiles.Find("clip"));
        yield return Text("CLIP text", text => clip.Encode([text]), [], captions);
        yield return FuzzReader.OfFile("prompts, one a line", "prompts.txt", path => VideoPrompts.FromTextFile(path), Utf8("a ship\na cat\n"),
            typeof(InvalidDataException));
        yield return FuzzReader.OfFile("prompts in a table", "prompts.tsv", path => VideoPrompts.FromTsv(path, "Prompt"),
            Utf8("Id\tPrompt\n1\t\"a \"\"ship\"\"\"\n2\ta cat\n"), typeof(InvalidDataException));

        // Half of a surrogate pair is what no UTF-8 holds, and what a string may.
        static FuzzReader Text(string name, Action<string> read, Type[] documented, params string[] seeds) => new(name, Utf8(seeds), (_, bytes) =>
        {
            string text = Encoding.UTF8.GetString(bytes);
            read(bytes.Length % 2 == 0 ? text : text + (char)(0xd800 + (bytes.Length % 0x400)));
        }, documented);
    }
}
