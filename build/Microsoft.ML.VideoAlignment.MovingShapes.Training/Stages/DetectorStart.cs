using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Begins the detector with the layers of the reward's CLIP, as YOLOS begins with a pre-trained ViT: detection tokens are its class token with a little noise,
/// which already reads shapes. CLIP's norm before the layers, which YOLOS has not, goes into patches and positions with the mean width of its tokens.
/// </summary>
internal static class DetectorStart
{
    private const int Samples = 256;
    private const int Stream = 27;

    /// <summary>network: initialized; its later layers and its heads stay as they are.</summary>
    public static void Take(YolosNetwork network, ClipModel clip)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Parameter> target = network.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter, StringComparer.Ordinal);
        Tensor Of(string name) => clip.get_parameter($"vision_model.{name}")!;
        (Tensor weight, Tensor positions) = (Of("embeddings.patch_embedding.weight"), Of("embeddings.position_embedding.weight"));
        (Tensor gamma, Tensor beta) = (Of("pre_layrnorm.weight"), Of("pre_layrnorm.bias"));
        (_, Tensor frames) = RatedFrames.Draw(Stream, 0, Samples, 0);
        Tensor tokens = nn.functional.conv2d(FramePreprocessing.ForClip(ShapesVideo.Size).Apply(frames), weight, strides: [weight.shape[2], weight.shape[3]])
            .flatten(2).transpose(1, 2);
        Tensor scale = gamma / (tokens + positions.narrow(0, 1, positions.shape[0] - 1)).std(2, unbiased: false).mean();

        // CLIP's and YOLOS's images differ in mean and width of their colors: (v - m) / s.
        (Tensor meanHere, Tensor stdHere) = Colors(FramePreprocessing.ImageNet);
        (Tensor meanThere, Tensor stdThere) = Colors(FramePreprocessing.Clip);
        Tensor centerd = weight - weight.mean([0], keepdim: true);
        target["patch_projection.weight"].copy_(centerd * (stdHere / stdThere).view(1, 3, 1, 1) * scale.view(-1, 1, 1, 1));
        target["patch_projection.bias"].copy_((centerd * ((meanHere - meanThere) / stdThere).view(1, 3, 1, 1)).sum([1, 2, 3]) * scale);
        long patches = positions.shape[0] - 1;
        Tensor rows = positions.narrow(0, 1, patches);
        target["position_embeddings"].select(0, 0).narrow(0, 1, patches).copy_(((rows - rows.mean([1], keepdim: true)) * scale) + beta);
        target["position_embeddings"].select(0, 0).narrow(0, 0, 1).zero_();
        Tensor first = nn.functional.layer_norm(Of("embeddings.class_embedding") + positions[0], [gamma.shape[0]], gamma, beta, 1e-5);
        target["cls_token"].copy_(first.view(1, 1, -1));
        target["detection_tokens"].add_(first.view(1, 1, -1));
        foreach ((string name, Parameter parameter) in target)
        {
            if (clip.get_parameter($"vision_model.encoder.{name}") is { } trained)
            {
                parameter.copy_(trained);
            }
        }
    }

    private static (Tensor Mean, Tensor Std) Colors(((float R, float G, float B) Mean, (float R, float G, float B) Std) of) =>
        (tensor([of.Mean.R, of.Mean.G, of.Mean.B]), tensor([of.Std.R, of.Std.G, of.Std.B]));
}
