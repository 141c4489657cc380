using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Weights;
using static Microsoft.ML.VideoAlignment.Tests.FuzzSeeds;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>States of interrupted runs.</summary>
internal static class RunStateReaders
{
    public static IEnumerable<FuzzReader> All()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Path("state.safetensors");
        var content = new StateWriter();
        content.Write("count", 3);
        using (Tensor numbers = arange(6).to_type(ScalarType.Float32))
        {
            content.AddSection("optimizer").Write("moments", numbers);
            RunState.Write(path, new string('a', 32), 4, 5, new RunFingerprint([]), content);
        }

        yield return FuzzReader.OfFile("run state", "state.safetensors", file =>
        {
            using var state = RunState.Open(file);
            state.Content.ReadInteger("count");
            state.Content.OpenSection("optimizer").ReadAnyTensor("moments", CPU).Dispose();
        }, [File.ReadAllBytes(path)], typeof(RunFolderException)) with
        { Words = ["format", "version", "facts", "values", "sha256", "step"] };

        // The checksum of a state keeps mutants from what lies behind it; a forger would write a fitting one.
        yield return new FuzzReader(
            "facts of a run state", Utf8("""[["Model", "Hash", "ab12"], ["Options", "LearningRate", "0.001"]]"""),
            (_, json) => RunFingerprint.Parse(Encoding.UTF8.GetString(json)), typeof(FormatException));
        yield return new FuzzReader("values of a run state", Utf8("""{ "count": 3, "flag": true, "rate": "0.5", "part": { "name": "x" } }"""), (folder, json) =>
        {
            JsonObject values;
            try
            {
                values = RunState.ParseValues(Encoding.UTF8.GetString(json));
            }
            catch (Exception error) when (error is JsonException or FormatException)
            {
                return;
            }

            using var none = new SafetensorsFile("none", Case("S17-files", "st-names", "weights.safetensors"));
            var reader = new StateReader(values, none);
            _ = (reader.ReadInteger("count"), reader.ReadFlag("flag"), reader.ReadNumber("rate"), reader.OpenSection("part").ReadText("name"));
        }, typeof(RunFolderException));
    }
}
