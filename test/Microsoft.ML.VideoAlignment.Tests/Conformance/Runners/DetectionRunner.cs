using System.Text.Json;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>YOLOS and the reward of object removal.</summary>
public sealed class DetectionRunner : IConformanceRunner
{
    public string Suite => "S13-rewards";

    public IReadOnlyCollection<string> Kinds { get; } = ["transformers.YolosForObjectDetection", "vader.object_detection"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        if (testCase.Kind == "vader.object_detection")
        {
            RunReward(testCase);
        }
        else
        {
            RunNetwork(testCase);
        }
    }

    private static void RunNetwork(ConformanceCase testCase)
    {
        using YolosNetwork network = YolosNetwork.FromFolder(Folder(testCase), CaseDevice.Placement);
        Tensor pixels = testCase.Input("pixel_values");
        Tensor Weight(string key) => network.get_parameter(YolosNetwork.Keys.MapName(key)!)!;
        testCase.RequireParameterGradients(Weight);
        YolosOutput output = network.Run(pixels);
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor>
            {
                ["last_hidden_state"] = output.LastHiddenState,
                ["logits"] = output.Logits,
                ["pred_boxes"] = output.Boxes,
                ["position_embeddings"] = network.ResizePositions(pixels.shape[2], pixels.shape[3]),
            },
            new Dictionary<string, Tensor> { ["pixel_values"] = pixels },
            Weight);
    }

    private static void RunReward(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        var options = new ObjectRemovalOptions();
        options = options with
        {
            Threshold = arguments.TryGetProperty("threshold", out JsonElement threshold) ? threshold.GetDouble() : options.Threshold,
            Height = arguments.TryGetProperty("height", out JsonElement height) ? height.GetInt32() : options.Height,
        };
        Assert.That(!arguments.TryGetProperty("clamp", out JsonElement clamp) || clamp.GetBoolean(), "this reward always clamps");
        using ObjectRemovalReward reward =
            ObjectRemovalReward.FromFolder(Folder(testCase), arguments.GetProperty("target").GetString()!, options, CaseDevice.Placement);
        testCase.RequireParameterGradients(reward.Weight);

        Tensor given = testCase.Input("frames").requires_grad_(true);
        (PreprocessedFrames frames, Tensor score, Tensor perFrame) = Score(reward, given);
        (Tensor images, YolosOutput output, Tensor count, Tensor confidence) = reward.RunStages(frames);
        Tensor loss = RewardLoss.Hinge(1).Compute(perFrame);
        var outputs = new Dictionary<string, Tensor>
        {
            ["preprocessed"] = images,
            ["logits"] = output.Logits,
            ["pred_boxes"] = output.Boxes,
            ["count"] = given.dim() == 5 ? count.view(frames.Batch, frames.Count) : count,
            ["mean_confidence"] = confidence,
            ["frame_score"] = perFrame,
            ["score"] = score,
            ["loss"] = loss,
            ["released_loss"] = ReleasedLoss(count, confidence),
        };
        testCase.CheckOutputsAndGradients(
            outputs.Where(pair => testCase.Find($"out.{pair.Key}") is not null).ToDictionary(), new Dictionary<string, Tensor> { ["frames"] = given },
                reward.Weight);
        if (testCase.Find("grad.loss.in.frames") is not null)
        {
            Tensor again = testCase["in.frames"].clone().requires_grad_(true);
            RewardLoss.Hinge(1).Compute(Score(reward, again).PerFrame).backward();
            testCase.CheckGradient("grad.loss.in.frames", again.grad);
        }

        if (arguments.TryGetProperty("expect", out JsonElement expect))
        {
            CheckExpected(testCase, expect, reward);
        }
    }

    /// <summary>Nothing is found: what the case says in words instead of tensors.</summary>
    private static void CheckExpected(ConformanceCase testCase, JsonElement expect, ObjectRemovalReward reward)
    {
        Tensor again = testCase["in.frames"].clone().requires_grad_(true);
        Tensor loss = RewardLoss.Hinge(1).Compute(Score(reward, again).PerFrame);
        if (expect.TryGetProperty("loss", out JsonElement value))
        {
            Assert.That(loss.item<float>(), Is.EqualTo((float)value.GetDouble()).Within(1e-6f), $"{testCase}: loss");
        }

        if (expect.TryGetProperty("zero_gradient", out JsonElement zero) && zero.GetBoolean())
        {
            Assert.That(loss.requires_grad, $"{testCase}: still attached");
            loss.backward();
            Assert.That(again.grad is not null, $"{testCase}: a gradient");
            Assert.That(again.grad!.eq(0).all().item<bool>(), $"{testCase}: all zero");
        }
    }

    private static (PreprocessedFrames Frames, Tensor Score, Tensor PerFrame) Score(ObjectRemovalReward reward, Tensor given)
    {
        var frames = new PreprocessedFrames(given.dim() == 4 ? given.unsqueeze(2) : given);
        return (frames, reward.CheckedScore(frames, []), reward.FrameScores(frames, []));
    }

    /// <summary>The released code's sum over images, which an image without the object sets back to nothing.</summary>
    private static Tensor ReleasedLoss(Tensor count, Tensor confidence)
    {
        float sum = 0;
        for (int image = 0; image < count.shape[0]; image++)
        {
            sum = count[image].item<long>() == 0 ? 0 : sum + confidence[image].item<float>();
        }

        return tensor(sum / count.shape[0]);
    }

    private static string Folder(ConformanceCase testCase) => testCase.PathOf(testCase.Json.GetProperty("weights")[0].GetProperty("file").GetString()!);
}
