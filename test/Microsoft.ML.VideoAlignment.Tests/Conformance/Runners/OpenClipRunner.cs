using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S03: OpenCLIP's both towers, and its text tower as a video model's conditioning.</summary>
public sealed class OpenClipRunner : IConformanceRunner
{
    private const string TextOnly = "FrozenOpenCLIPEmbedder-penultimate";

    public string Suite => "S03-openclip";

    public IReadOnlyCollection<string> Kinds => ["open_clip.CLIP", TextOnly];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        OpenClipHalves halves = testCase.Kind == TextOnly ? OpenClipHalves.Text : OpenClipHalves.Both;
        JsonElement weights = testCase.Json.GetProperty("weights")[0];
        string? root = weights.TryGetProperty("root", out JsonElement entry) ? entry.GetString() : null;
        using IWeightSource source = WeightFile.Open(testCase.PathOf(weights.GetProperty("file").GetString()!), root);
        using OpenClipModel model = OpenClipModel.FromSource(
            source, OpenClipConfig.FromJson(testCase.Config), halves, Placement.Cpu, weights.GetProperty("prefix").GetString()!);
        KeyMap keys = OpenClipModel.Keys(halves);
        Tensor Parameter(string name) => ClipCases.Parameter(model, keys.Key(name)!);
        testCase.RequireParameterGradients(Parameter);
        if (halves == OpenClipHalves.Text)
        {
            bool penultimate = testCase.Config.TryGetProperty("layer", out JsonElement layer) && layer.GetString() == "penultimate";
            Tensor embedding = model.Text.Context(testCase["in.text"], penultimate ? 1 : 0);
            testCase.CheckOutputsAndGradients(new Dictionary<string, Tensor> { ["embedding"] = embedding }, new Dictionary<string, Tensor>(), Parameter);
            return;
        }

        Tensor pixels = testCase.Input("image");
        Tensor image = model.Vision.call(pixels);
        Tensor text = model.Text.Features(testCase["in.text"]);
        Tensor imageUnit = ClipModel.Normalize(image);
        Tensor textUnit = ClipModel.Normalize(text);
        Tensor scale = model.LogitScale.exp();
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor>
            {
                ["image_features"] = image,
                ["text_features"] = text,
                ["image_features_normalized"] = imageUnit,
                ["text_features_normalized"] = textUnit,
                ["logit_scale"] = scale,
                ["logits_per_image"] = scale * imageUnit.matmul(textUnit.t()),
                ["hps"] = (imageUnit * textUnit).sum(1),
            },
            new Dictionary<string, Tensor> { ["image"] = pixels },
            Parameter);
    }
}
