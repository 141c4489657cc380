using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S01: the text encoder, with and without projection.</summary>
public sealed class ClipTextRunner : IConformanceRunner
{
    public string Suite => "S01-clip-text";

    public IReadOnlyCollection<string> Kinds => ["transformers.CLIPTextModel", "transformers.CLIPTextModelWithProjection"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        var config = ClipTextConfig.FromJson(testCase.Config);
        using ClipTextEncoder encoder = ClipCases.Load(testCase, ClipTextEncoder.FromFolder,
            (source, placement, prefix) => ClipTextEncoder.FromSource(source, config, placement, prefix));
        Tensor Parameter(string key) => ClipCases.Parameter(encoder, key);
        testCase.RequireParameterGradients(Parameter);
        Tensor ids = testCase["in.input_ids"];
        Tensor? mask = testCase.Find("in.attention_mask");
        using ClipOutput output = encoder.Encode(ids, mask, keepHiddenStates: true);
        Assert.That(output.HiddenStates, Has.Count.EqualTo(config.NumHiddenLayers + 1));
        var outputs = new Dictionary<string, Tensor>
        {
            ["last_hidden_state"] = output.LastHiddenState,
            ["pooler_output"] = output.Pooled,
            ["penultimate_raw"] = output.HiddenStates[^2],
        };
        if (testCase.Arguments.TryGetProperty("clip_skip", out JsonElement clipSkip))
        {
            outputs["clip_skip"] = encoder.EncodeContext(ids, mask, clipSkip.GetInt32());
        }

        if (output.Embedding is not null)
        {
            outputs["text_embeds"] = output.Embedding;
        }

        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor>(), Parameter);
    }
}

/// <summary>S02: the vision encoder, with and without projection.</summary>
public sealed class ClipVisionRunner : IConformanceRunner
{
    public string Suite => "S02-clip-vision";

    public IReadOnlyCollection<string> Kinds => ["transformers.CLIPVisionModel", "transformers.CLIPVisionModelWithProjection"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        var config = ClipVisionConfig.FromJson(testCase.Config);
        using ClipVisionEncoder encoder = ClipCases.Load(testCase, ClipVisionEncoder.FromFolder,
            (source, placement, prefix) => ClipVisionEncoder.FromSource(source, config, placement, prefix));
        Tensor Parameter(string key) => ClipCases.Parameter(encoder, key);
        testCase.RequireParameterGradients(Parameter);
        Tensor pixels = testCase.Input("pixel_values");
        using ClipOutput output = encoder.Encode(pixels, ClipCases.Interpolates(testCase), keepHiddenStates: true);
        var outputs = new Dictionary<string, Tensor>
        {
            ["last_hidden_state"] = output.LastHiddenState,
            ["pooler_output"] = output.Pooled,
            ["hidden_states_0"] = output.HiddenStates[0],
            ["penultimate"] = output.HiddenStates[^2],
        };
        if (output.Embedding is not null)
        {
            outputs["image_embeds"] = output.Embedding;
        }

        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor> { ["pixel_values"] = pixels }, Parameter);
    }
}

/// <summary>S02: both towers.</summary>
public sealed class ClipModelRunner : IConformanceRunner
{
    public string Suite => "S02-clip-vision";

    public IReadOnlyCollection<string> Kinds => ["transformers.CLIPModel"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        var config = ClipConfig.FromJson(testCase.Config);
        using ClipModel model = ClipCases.Load(testCase, ClipModel.FromFolder,
            (source, placement, prefix) => ClipModel.FromSource(source, config, placement, prefix));
        Tensor Parameter(string key) => ClipCases.Parameter(model, key);
        testCase.RequireParameterGradients(Parameter);
        Dictionary<string, Tensor> inputs = testCase.Inputs("pixel_values");
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        if (inputs.TryGetValue("pixel_values", out Tensor? pixels))
        {
            outputs["image_features"] = model.GetImageFeatures(pixels, ClipCases.Interpolates(testCase));
            outputs["image_embeds"] = ClipModel.Normalize(outputs["image_features"]);
        }

        if (testCase.Find("in.input_ids") is { } ids)
        {
            outputs["text_features"] = model.GetTextFeatures(ids, testCase.Find("in.attention_mask"));
            outputs["text_embeds"] = ClipModel.Normalize(outputs["text_features"]);
        }

        if (outputs.TryGetValue("image_embeds", out Tensor? image) && outputs.TryGetValue("text_embeds", out Tensor? text))
        {
            outputs["logits_per_image"] = model.LogitScale.exp() * image.matmul(text.t());
            outputs["logits_per_text"] = outputs["logits_per_image"].t();
        }

        testCase.CheckOutputsAndGradients(outputs, inputs, Parameter);
    }
}

internal static class ClipCases
{
    /// <summary>The case's weights: a folder through the folder loader, a bare file with the case's own configuration.</summary>
    public static T Load<T>(ConformanceCase testCase, Func<string, Placement, string?, T> fromFolder, Func<IWeightSource, Placement, string, T> fromSource)
    {
        JsonElement weights = testCase.Json.GetProperty("weights")[0];
        string path = testCase.PathOf(weights.GetProperty("file").GetString()!);
        if (weights.GetProperty("format").GetString() == "diffusers-folder")
        {
            return fromFolder(path, CaseDevice.Placement, null);
        }

        using IWeightSource source = WeightFile.Open(path);
        return fromSource(source, CaseDevice.Placement, weights.GetProperty("prefix").GetString()!);
    }

    public static Tensor Parameter(nn.Module module, string key) =>
        module.get_parameter(key) ?? throw new KeyNotFoundException($"no parameter {key}");

    public static bool Interpolates(ConformanceCase testCase) =>
        testCase.Arguments.TryGetProperty("interpolate_pos_encoding", out JsonElement value) && value.GetBoolean();
}
