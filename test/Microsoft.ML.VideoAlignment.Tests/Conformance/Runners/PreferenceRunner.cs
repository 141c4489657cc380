using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Rewards.TextImage;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// S13: HPS, PickScore, and the released sum of the aesthetic reward and HPS. Cases give token ids; they enter as the embeddings of prompts "0", "1", ...
/// </summary>
public sealed class PreferenceRunner : IConformanceRunner
{
    public string Suite => "S13-rewards";

    public IReadOnlyCollection<string> Kinds { get; } = ["vader.hps", "vader.aesthetic_hps", "vader.pickscore", "vader.pickscore_preprocess"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        switch (testCase.Kind)
        {
            case "vader.pickscore_preprocess":
                Tensor given = testCase.Input("frames");
                FramePreprocessing preprocessing = FramePreprocessing.ForPickScore(testCase.Config.GetProperty("image_size").GetInt32());
                testCase.CheckOutputsAndGradients(
                    new Dictionary<string, Tensor> { ["preprocessed"] = preprocessing.Apply(given) }, new Dictionary<string, Tensor> { ["frames"] = given });
                break;
            case "vader.aesthetic_hps":
                RunSum(testCase);
                break;
            case "vader.hps":
                using (TextImageReward reward = Preference(testCase, testCase.Config))
                {
                    RunReward(testCase, reward, perFrame => (1 - perFrame).mean());
                }

                break;
            default:
                using (TextImageReward reward = TextImageReward.PickScore(
                    testCase.PathOf(File(testCase, "clip")), (_, _) => throw new NotSupportedException(), CaseDevice.Placement,
                        () => throw new NotSupportedException(), Clamps(testCase)))
                {
                    RunReward(testCase, reward, Released);
                }

                break;
        }

        static Tensor Released(Tensor score) => (1 - (score / 100)).abs().mean();
    }

    private static void RunReward(ConformanceCase testCase, TextImageReward reward, Func<Tensor, Tensor> lossOf)
    {
        testCase.RequireParameterGradients(reward.Towers.Weight);
        Tensor texts = KeepTexts(testCase, reward);
        Tensor embedded = ClipModel.Normalize(texts);
        Tensor given = testCase.Input("frames");
        var frames = new PreprocessedFrames(given.dim() == 4 ? given.unsqueeze(2) : given);
        string[] prompts = Prompts(frames);
        Tensor perFrame = reward.FrameScores(frames, prompts);
        (Tensor features, Tensor embedding) = reward.RunStages(frames);
        var outputs = new Dictionary<string, Tensor>
        {
            ["preprocessed"] = frames.Images(reward.Preprocessing),
            ["image_features"] = features,
            ["embedding"] = embedding,
            ["text_features"] = texts,
            ["text_embedding"] = embedded,
            ["frame_score"] = perFrame,
            ["score"] = reward.CheckedScore(frames, prompts),
            ["loss"] = lossOf(perFrame),
        };
        if (testCase.Kind == "vader.pickscore")
        {
            // What the released code computes: every image against the first prompt.
            Tensor first = (reward.Towers.Temperature * (embedding * embedded[0]).sum(1)).flatten();
            (outputs["first_prompt_score"], outputs["first_prompt_loss"]) = (first, lossOf(first));
        }

        testCase.CheckOutputsAndGradients(Wanted(testCase, outputs), new Dictionary<string, Tensor> { ["frames"] = given }, reward.Towers.Weight);
        CheckLossGradient(testCase, again => lossOf(reward.FrameScores(again, prompts)));
    }

    private static void RunSum(ConformanceCase testCase)
    {
        using HeadReward aesthetic = HeadReward.FromFiles(
            HeadRewardKind.Aesthetic, testCase.PathOf(File(testCase, "clip")), testCase.PathOf(File(testCase, "head")), CaseDevice.Placement, Clamps(testCase));
        using TextImageReward preference = Preference(testCase, testCase.Config.GetProperty("hps"));
        double Argument(string name, double absent) => testCase.Arguments.TryGetProperty(name, out JsonElement value) ? value.GetDouble() : absent;
        double weight = Argument("hps_score_weight", 15);
        KeepTexts(testCase, preference);
        VideoReward mix = VideoRewards.Mix((aesthetic, 0.5f), (preference, (float)(weight / 2)));
        Tensor given = testCase.Input("frames");
        var parts = new Dictionary<string, Tensor>();
        var frames = new PreprocessedFrames(given.dim() == 4 ? given.unsqueeze(2) : given) { PartScores = parts };
        string[] prompts = Prompts(frames);
        Tensor score = mix.CheckedScore(frames, prompts);
        Assert.That(frames.ImageSets, Is.EqualTo(1), $"{testCase}: one preprocessing");
        testCase.CheckOutputsAndGradients(
            Wanted(testCase, new Dictionary<string, Tensor>
            {
                ["preprocessed"] = frames.Images(preference.Preprocessing),
                ["aesthetic"] = parts[aesthetic.Name],
                ["hps"] = parts[preference.Name],
                ["frame_score"] = (aesthetic.FrameScores(frames, prompts) + (weight * preference.FrameScores(frames, prompts))) / 2,
                ["score"] = score,
                ["loss"] = Loss(frames),
            }),
            new Dictionary<string, Tensor> { ["frames"] = given });
        CheckLossGradient(testCase, Loss);

        Tensor Loss(PreprocessedFrames images) =>
            ((Argument("aesthetic_loss_weight", 1.5) * Argument("scale", 0.1) * (aesthetic.FrameScores(images, prompts) - Argument("target", 10)).abs().mean())
                + (1 - preference.FrameScores(images, prompts)).abs().mean()) / 2;
    }

    private static TextImageReward Preference(ConformanceCase testCase, JsonElement config) => TextImageReward.HumanPreference(
        testCase.PathOf(File(testCase, "hps")), (_, _) => throw new NotSupportedException(), CaseDevice.Placement, () => throw new NotSupportedException(),
        OpenClipConfig.FromJson(config), Clamps(testCase));

    /// <summary>Text features [B, P] of the case's tokens; their embeddings become those of the prompts.</summary>
    private static Tensor KeepTexts(ConformanceCase testCase, TextImageReward reward)
    {
        Tensor features = reward.Towers.TextFeatures(testCase.Find("in.tokens") ?? testCase["in.input_ids"], testCase.Find("in.attention_mask"));
        Tensor embeddings = ClipModel.Normalize(features);
        for (int row = 0; row < features.shape[0]; row++)
        {
            reward.Towers.Prompts.Set($"{row}", embeddings[row]);
        }

        return features;
    }

    private static string[] Prompts(PreprocessedFrames frames) => [.. Enumerable.Range(0, (int)frames.Batch).Select(row => $"{row}")];

    private static void CheckLossGradient(ConformanceCase testCase, Func<PreprocessedFrames, Tensor> loss)
    {
        if (testCase.Find("grad.loss.in.frames") is not null)
        {
            Tensor again = testCase["in.frames"].clone().requires_grad_(true);
            loss(new PreprocessedFrames(again.dim() == 4 ? again.unsqueeze(2) : again)).backward();
            testCase.CheckGradient("grad.loss.in.frames", again.grad);
        }
    }

    private static string File(ConformanceCase testCase, string role) => testCase.Json.GetProperty("weights").EnumerateArray()
        .Single(part => part.GetProperty("role").GetString() == role).GetProperty("file").GetString()!;

    private static bool Clamps(ConformanceCase testCase) =>
        !testCase.Arguments.TryGetProperty("clamp", out JsonElement value) || value.ValueKind == JsonValueKind.Null || value.GetBoolean();

    private static Dictionary<string, Tensor> Wanted(ConformanceCase testCase, Dictionary<string, Tensor> outputs) =>
        outputs.Where(output => testCase.Find($"out.{output.Key}") is not null).ToDictionary(StringComparer.Ordinal);
}
