using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S04: T5's encoder, resident and read block by block.</summary>
public class T5Runner : IConformanceRunner
{
    public virtual string Suite => "S04-t5-encoder";

    public virtual IReadOnlyCollection<string> Kinds => ["transformers.T5EncoderModel"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        JsonElement[] weights = [.. testCase.Json.GetProperty("weights").EnumerateArray()];
        string path = testCase.PathOf(weights[0].GetProperty("file").GetString()!);

        // Several files are the shards of an index in their folder.
        string folder = weights.Length == 1 ? path : Path.GetDirectoryName(path)!;
        string prefix = weights[0].GetProperty("prefix").GetString()!;
        bool isFolder = weights.Length > 1 || weights[0].GetProperty("format").GetString() == "diffusers-folder";
        var config = T5Config.FromJson(isFolder ? new DiffusersFolder(folder).ReadConfig() : testCase.Config);
        IWeightSource Open() => isFolder ? new DiffusersFolder(folder).OpenWeights() : WeightFile.Open(path);
        using IWeightSource source = Open();
        if (weights[0].TryGetProperty("role", out JsonElement role) && role.GetString() == "original-names")
        {
            Assert.That(T5Shapes.ReadUmt5(source), Is.EqualTo(config), $"{testCase}: sizes of a file without a configuration");
        }

        using var encoder = T5Encoder.FromSource(source, config, CaseDevice.Placement, prefix);
        Tensor Parameter(string key) => encoder.get_parameter(key) ?? throw new KeyNotFoundException($"no parameter {key}");
        testCase.RequireParameterGradients(Parameter);
        Tensor ids = testCase["in.input_ids"];
        Tensor? mask = testCase.Find("in.attention_mask");
        List<Tensor> states = [];
        var outputs = new Dictionary<string, Tensor> { ["last_hidden_state"] = encoder.Run(ids, mask, states) };
        for (int block = 0; block < states.Count - 1; block++)
        {
            string name = $"hidden_states_{block + 1}";
            if (testCase.Find($"out.{name}") is not null)
            {
                outputs[name] = states[block];
            }
        }

        if (testCase.Find("out.padded") is not null)
        {
            long rows = testCase.Arguments.GetProperty("max_sequence_length").GetInt64();
            outputs["padded"] = T5States.ZeroPadding(outputs["last_hidden_state"], mask!, rows);
        }

        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor>(), Parameter);

        using var streamed = new StreamedT5Encoder(Open(), config, CaseDevice.Placement, prefix);
        testCase.CheckOutput("last_hidden_state", streamed.Encode(ids, mask));
    }
}

/// <summary>S19: UMT5's encoder, whose every block has a position bias.</summary>
public sealed class UMT5Runner : T5Runner
{
    public override string Suite => "S19-wan";

    public override IReadOnlyCollection<string> Kinds => ["transformers.UMT5EncoderModel"];
}
