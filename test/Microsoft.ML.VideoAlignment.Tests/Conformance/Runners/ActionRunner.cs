using System.Text.Json;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>VideoMAE, the reward of actions, which label a prompt means and how many frames are seen.</summary>
public sealed class ActionRunner : IConformanceRunner
{
    public string Suite => "S13-rewards";

    public IReadOnlyCollection<string> Kinds { get; } = ["transformers.VideoMAEForVideoClassification", "vader.action", "vader.action_label",
        "vader.action_frames"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        switch (testCase.Kind)
        {
            case "vader.action":
                RunReward(testCase);
                break;
            case "vader.action_label":
                RunLabels(testCase);
                break;
            case "vader.action_frames":
                RunFrames(testCase);
                break;
            default:
                RunNetwork(testCase);
                break;
        }
    }

    private static void RunNetwork(ConformanceCase testCase)
    {
        using VideoMaeNetwork network = VideoMaeNetwork.FromFolder(Folder(testCase), CaseDevice.Placement);
        Tensor pixels = testCase.Input("pixel_values");
        Tensor Weight(string key) => network.get_parameter(VideoMaeNetwork.Keys.MapName(key)!)!;
        testCase.RequireParameterGradients(Weight);
        (Tensor last, Tensor logits) = network.Run(pixels);
        long frames = testCase.Arguments.TryGetProperty("num_frames", out JsonElement count) ? count.GetInt64() : pixels.shape[1];
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor> { ["last_hidden_state"] = last, ["logits"] = logits, ["position_embeddings"] = network.MakePositions(frames) },
            new Dictionary<string, Tensor> { ["pixel_values"] = pixels },
            Weight);
    }

    private static void RunReward(ConformanceCase testCase)
    {
        string[] prompts = Texts(testCase, "prompts");
        using ActionClassificationReward reward = Reward(testCase, logProbability: false);
        testCase.RequireParameterGradients(reward.Weight);
        Tensor given = testCase.Input("frames");
        var frames = new PreprocessedFrames(given);
        (Tensor pixels, Tensor logits) = reward.RunStages(frames);
        IReadOnlyList<int> labels = reward.FindLabels(prompts, prompts.Length);
        Assert.That(labels.Select(label => (long)label), Is.EqualTo(testCase["in.labels"].cpu().data<long>().ToArray()), $"{testCase}: labels of the prompts");

        using ActionClassificationReward logarithm = Reward(testCase, logProbability: true);
        Tensor again = testCase["in.frames"].clone().requires_grad_(true);
        Tensor loss = RewardLoss.Maximize().Compute(logarithm.ScoreLogits(logarithm.RunStages(new PreprocessedFrames(again)).Logits, labels));
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor>
            {
                ["preprocessed"] = pixels,
                ["logits"] = logits,
                ["predicted"] = logits.argmax(1),
                ["score"] = reward.ScoreLogits(logits, labels),
                ["loss"] = loss,
            }.Where(pair => testCase.Find($"out.{pair.Key}") is not null).ToDictionary(),
            new Dictionary<string, Tensor> { ["frames"] = given },
            reward.Weight);
        if (testCase.Find("grad.loss.in.frames") is not null)
        {
            loss.backward();
            testCase.CheckGradient("grad.loss.in.frames", again.grad);
        }

        // By the contract a frame that would not be seen is not taken: the reward itself gives the same where the count fits.
        if (given.shape[2] % reward.Contract.FrameMultiple == 0)
        {
            testCase.CheckOutput("score", reward.Score(testCase["in.frames"], prompts));
        }
    }

    private static void RunLabels(ConformanceCase testCase)
    {
        var prompts = new ActionPrompts(LabelTable.FromJson(testCase.Config), new Dictionary<string, string>());
        long[] ids = [.. Texts(testCase, "prompts").Select(prompt => (long)(prompts.Find(prompt) ?? -1))];
        testCase.CheckOutput("label_id", tensor(ids));
    }

    /// <summary>Columns as the case names them; what the released code makes of a count is its arithmetic, the rest is ours.</summary>
    private static void RunFrames(ConformanceCase testCase)
    {
        VideoMaeConfig config = VideoMaeConfig.FromJson(testCase.Config);
        long[] decoded = [.. Enumerable.Range(0, (int)testCase["out.counts"].shape[0]).Select(row => testCase["out.counts"][row, 0].item<long>())];
        RewardFrames alternate = RewardFrames.EveryNth(2);
        var rows = new List<long>();
        foreach (long frames in decoded)
        {
            IReadOnlyList<int> shown = alternate.Select((int)frames, _ => 0);
            if (testCase.Arguments.GetProperty("alternate_indices").TryGetProperty($"{frames}", out JsonElement indices))
            {
                Assert.That(shown, Is.EqualTo(indices.EnumerateArray().Select(index => index.GetInt32())), $"{testCase}: of {frames} frames");
            }

            long released = frames / 2;
            foreach (string column in Texts(testCase, "columns"))
            {
                rows.Add(column switch
                {
                    "decoded_frames" => frames,
                    "alternate_frames" => shown.Count,
                    "released_model_frames" => released,
                    "tubelets" => config.Tubelets(shown.Count),
                    "released_model_tubelets" => config.Tubelets(released),
                    "released_code_runs" => config.Tubelets(released) == config.Tubelets(shown.Count) && config.Tubelets(released) > 0 ? 1 : 0,
                    _ => throw new NotSupportedException($"column {column}"),
                });
            }
        }

        testCase.CheckOutput("counts", tensor(rows.ToArray()).view(decoded.Length, -1));
    }

    private static ActionClassificationReward Reward(ConformanceCase testCase, bool logProbability) =>
        ActionClassificationReward.FromFolder(Folder(testCase), new ActionClassificationOptions { LogProbability = logProbability }, CaseDevice.Placement);

    private static string[] Texts(ConformanceCase testCase, string argument) =>
        [.. testCase.Arguments.GetProperty(argument).EnumerateArray().Select(text => text.GetString()!)];

    private static string Folder(ConformanceCase testCase) => testCase.PathOf(testCase.Json.GetProperty("weights")[0].GetProperty("file").GetString()!);
}
