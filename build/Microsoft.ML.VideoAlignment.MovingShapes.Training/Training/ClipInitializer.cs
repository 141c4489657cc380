using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>Initial values of CLIP's towers (Radford et al. 2021): normal draws whose widths follow the hidden size and the depth, biases zero.</summary>
internal static class ClipInitializer
{
    private const double EmbeddingStd = 0.02;
    private const double LogitScale = 2.6592; // log(1 / 0.07)

    /// <summary>True when the parameter is one that CLIP treats specially; norms are left to torch's default.</summary>
    public static bool Fill(string name, Parameter parameter, long hidden, long layers, Generator generator)
    {
        double narrow = 1 / Math.Sqrt(hidden);
        double deep = 1 / Math.Sqrt(2 * layers);
        string[] parts = name.Split('.');
        string layer = parts.Length > 1 ? parts[^2] : "";
        double? std = (layer, parts[^1]) switch
        {
            ("q_proj" or "k_proj" or "v_proj", "weight") => narrow * deep,
            ("out_proj", "weight") => narrow,
            ("fc1", "weight") => 1 / Math.Sqrt(2 * hidden),
            ("fc2", "weight") => narrow * deep,
            ("token_embedding" or "position_embedding" or "patch_embedding", "weight") => EmbeddingStd,
            ("text_projection" or "visual_projection", "weight") => narrow,
            (_, "class_embedding") => narrow,
            _ => null,
        };
        if (std is { } width)
        {
            parameter.normal_(0, width, generator);
        }
        else if (parts[^1] == "logit_scale")
        {
            parameter.fill_(LogitScale);
        }
        else if (parts[^1] == "bias" && !layer.Contains("norm", StringComparison.Ordinal) && !layer.Contains("layrnorm", StringComparison.Ordinal))
        {
            parameter.zero_();
        }
        else
        {
            return false;
        }

        return true;
    }
}
