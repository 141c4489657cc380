using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>Writes the reward networks that are trained, each in the form its published family has, in float16.</summary>
internal static class RewardFiles
{
    public static void Write(Workshop shop)
    {
        if (File.Exists(shop.StateFile(PreferenceStage.Name)))
        {
            using ClipModel model = PreferenceStage.Load(shop);
            using DisposeScope scope = NewDisposeScope();
            Dictionary<string, IReadOnlyDictionary<string, Tensor>> root = new() { ["state_dict"] = Halves(OpenClipNames.Of(model)) };
            TorchZipWriter.Write(Path.Combine(shop.Ship, "human-preference.pt"), root);
        }

        if (File.Exists(shop.StateFile(ActionStage.Name)))
        {
            using VideoMaeNetwork network = ActionStage.Load(shop);
            WriteFolder(Path.Combine(shop.Ship, "action"), network, ActionStage.FileName, ActionStage.Config, "VideoMAEImageProcessor");
        }

        if (File.Exists(shop.StateFile(DetectorStage.Name)))
        {
            using YolosNetwork network = DetectorStage.Load(shop);
            WriteFolder(Path.Combine(shop.Ship, "detector"), network, DetectorStage.FileName, DetectorStage.Config, "YolosImageProcessor");
        }

        if (File.Exists(shop.StateFile(ConsistencyStage.Name)))
        {
            using VJepaNetwork network = ConsistencyStage.Load(shop);
            using DisposeScope scope = NewDisposeScope();
            var dictionaries = StateRecord.Of(network).GroupBy(pair => ConsistencyStage.FileName(pair.Name).Dictionary).ToDictionary(
                group => group.Key,
                group => (IReadOnlyDictionary<string, Tensor>)Halves(
                    group.ToDictionary(pair => ConsistencyStage.FileName(pair.Name).Name, pair => pair.Tensor, StringComparer.Ordinal)),
                StringComparer.Ordinal);
            TorchZipWriter.Write(Path.Combine(shop.Ship, "vjepa.pth.tar"), dictionaries);
        }
    }

    private static void WriteFolder(string folder, nn.Module network, Func<string, string> name, Dictionary<string, object> config, string processor)
    {
        ShipStage.WriteWeights(StateRecord.Of(network).Select(pair => (name(pair.Name), pair.Tensor)), Path.Combine(folder, "model.safetensors"));
        ShipStage.WriteJson(Path.Combine(folder, "config.json"), config);
        ((float R, float G, float B) mean, (float R, float G, float B) std) = FramePreprocessing.ImageNet;
        ShipStage.WriteJson(Path.Combine(folder, "preprocessor_config.json"), new Dictionary<string, object>
        {
            ["do_normalize"] = true,
            ["do_rescale"] = true,
            ["do_resize"] = true,
            ["image_mean"] = new[] { mean.R, mean.G, mean.B },
            ["image_processor_type"] = processor,
            ["image_std"] = new[] { std.R, std.G, std.B },
            ["resample"] = 2,
            ["size"] = new Dictionary<string, int> { ["height"] = ShapesVideo.Size, ["width"] = ShapesVideo.Size },
        });
    }

    private static Dictionary<string, Tensor> Halves(IReadOnlyDictionary<string, Tensor> tensors) =>
        tensors.ToDictionary(pair => pair.Key, pair => pair.Value.detach().to_type(ScalarType.Float16).contiguous(), StringComparer.Ordinal);
}
