using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
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
            source, OpenClipConfig.FromJson(testCase.Config), halves, CaseDevice.Placement, weights.GetProperty("prefix").GetString()!);
        KeyMap keys = OpenClipModel.CreateKeyMap(halves);
        Tensor Parameter(string name) => ClipCases.Parameter(model, keys.MapName(name)!);
        testCase.RequireParameterGradients(Parameter);
        if (halves == OpenClipHalves.Text)
        {
            bool penultimate = testCase.Config.TryGetProperty("layer", out JsonElement layer) && layer.GetString() == "penultimate";
            Tensor embedding = model.Text.EncodeContext(testCase["in.text"], penultimate ? 1 : 0);
            testCase.CheckOutputsAndGradients(new Dictionary<string, Tensor> { ["embedding"] = embedding }, new Dictionary<string, Tensor>(), Parameter);
            return;
        }

        Dictionary<string, Tensor> inputs = testCase.Inputs("image");
        Tensor scale = model.LogitScale.exp();
        var outputs = new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["logit_scale"] = scale };
        if (inputs.TryGetValue("image", out Tensor? pixels))
        {
            outputs["image_features"] = model.Vision.call(pixels);
            outputs["image_features_normalized"] = ClipModel.Normalize(outputs["image_features"]);
        }

        if (testCase.Find("in.text") is { } ids)
        {
            outputs["text_features"] = model.Text.GetFeatures(ids);
            outputs["text_features_normalized"] = ClipModel.Normalize(outputs["text_features"]);
        }

        if (outputs.TryGetValue("image_features_normalized", out Tensor? image) && outputs.TryGetValue("text_features_normalized", out Tensor? text))
        {
            outputs["logits_per_image"] = scale * image.matmul(text.t());
            if (image.shape[0] == text.shape[0])
            {
                outputs["hps"] = (image * text).sum(1);
            }
        }

        testCase.CheckOutputsAndGradients(outputs, inputs, Parameter);
    }
}
