using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Resizes, value ranges, and the rewards that are a head on CLIP.</summary>
public sealed class RewardRunner : IConformanceRunner
{
    public string Suite => "S13-rewards";

    public IReadOnlyCollection<string> Kinds { get; } =
        ["torchvision.resize", "vader.unit_range", "vader.aesthetic", "vader.weather", "vader.compression", "vader.head"];

    public void Run(ConformanceCase testCase)
    {
        switch (testCase.Kind)
        {
            case "torchvision.resize":
                RunResize(testCase);
                break;
            case "vader.unit_range":
                Tensor pixels = testCase.Input("pixels");
                testCase.CheckOutputsAndGradients(Outputs(("frames", UnitRange.FromSigned(pixels))), Outputs(("pixels", pixels)));
                break;
            case "vader.head":
                RunHead(testCase);
                break;
            default:
                RunReward(testCase);
                break;
        }
    }

    private static void RunResize(ConformanceCase testCase)
    {
        Tensor image = testCase.Input("image");
        JsonElement size = testCase.Arguments.GetProperty("size");
        (long height, long width) = size.ValueKind == JsonValueKind.Number
            ? Resize.FitShortSide(image.shape[^2], image.shape[^1], size.GetInt64())
            : size.GetArrayLength() == 1
                ? Resize.FitShortSide(image.shape[^2], image.shape[^1], size[0].GetInt64())
                : (size[0].GetInt64(), size[1].GetInt64());
        Interpolation interpolation = testCase.Arguments.GetProperty("interpolation").GetString() switch
        {
            "nearest" => Interpolation.Nearest,
            "nearest-exact" => Interpolation.NearestExact,
            "bilinear" => Interpolation.Bilinear,
            "bicubic" => Interpolation.Bicubic,
            var other => throw new NotSupportedException($"interpolation {other}"),
        };
        Tensor resized = Resize.Apply(image, height, width, interpolation, Flag(testCase, "antialias", absent: true));
        testCase.CheckOutputsAndGradients(Outputs(("image", resized)), Outputs(("image", image)));
    }

    private static void RunHead(ConformanceCase testCase)
    {
        string name = testCase.Arguments.TryGetProperty("head", out JsonElement head) ? head.GetString()!
            : testCase.Config.GetProperty("head").GetProperty("name").GetString()!;
        using ScoreHead network = ScoreHead.FromFile(HeadFile(testCase), Kind(name).Form, CaseDevice.Placement);
        Tensor features = testCase.Input("features");
        testCase.RequireParameterGradients(key => network.get_parameter(key)!);
        Tensor embedding = ClipModel.Normalize(features);
        testCase.CheckOutputsAndGradients(
            Wanted(testCase, ("embedding", embedding), ("logit", network.Logits(embedding)), ("head", network.call(embedding))),
            Outputs(("features", features)),
            key => network.get_parameter(key)!);
    }

    private static void RunReward(ConformanceCase testCase)
    {
        HeadRewardKind kind = Kind(testCase.Kind["vader.".Length..]);
        using HeadReward reward = HeadReward.FromFiles(
            kind, testCase.PathOf(File(testCase, "clip")), HeadFile(testCase), CaseDevice.Placement, Flag(testCase, "clamp", absent: true));
        Assert.That(!testCase.Arguments.TryGetProperty("direction", out JsonElement direction)
            || reward.Contract.Direction == (direction.GetString() == "lower" ? ScoreDirection.LowerIsBetter : ScoreDirection.HigherIsBetter));
        testCase.RequireParameterGradients(reward.Weight);

        Tensor given = testCase.Input("frames");
        (PreprocessedFrames frames, Tensor score, Tensor perFrame) = Score(reward, given);
        (Tensor features, Tensor embedding, _) = reward.RunStages(frames);
        RewardLoss loss = Loss(testCase, kind);
        testCase.CheckOutputsAndGradients(
            Wanted(testCase, ("preprocessed", frames.Images(reward.Preprocessing)), ("image_features", features), ("embedding", embedding),
                ("frame_score", perFrame), ("score", score), ("loss", loss.Compute(perFrame))),
            Outputs(("frames", given)),
            reward.Weight);

        // The released loss is over all images; it has a graph of its own.
        if (testCase.Find("grad.loss.in.frames") is not null)
        {
            Tensor again = testCase["in.frames"].clone().requires_grad_(true);
            loss.Compute(Score(reward, again).PerFrame).backward();
            testCase.CheckGradient("grad.loss.in.frames", again.grad);
        }
    }

    private static (PreprocessedFrames Frames, Tensor Score, Tensor PerFrame) Score(HeadReward reward, Tensor given)
    {
        var frames = new PreprocessedFrames(given.dim() == 4 ? given.unsqueeze(2) : given);
        return (frames, reward.CheckedScore(frames, []), reward.FrameScores(frames, []));
    }

    private static RewardLoss Loss(ConformanceCase testCase, HeadRewardKind kind)
    {
        double scale = testCase.Arguments.TryGetProperty("scale", out JsonElement factor) ? factor.GetDouble() : 1;
        return testCase.Arguments.TryGetProperty("target", out JsonElement target) && target.ValueKind == JsonValueKind.Number
            ? RewardLoss.Target(target.GetDouble(), scale)
            : kind.Direction == ScoreDirection.LowerIsBetter ? RewardLoss.Minimize(scale) : RewardLoss.Maximize(scale);
    }

    private static HeadRewardKind Kind(string name) => name switch
    {
        "aesthetic" => HeadRewardKind.Aesthetic,
        "weather" or "rainy" or "snowy" => HeadRewardKind.Weather,
        "compression" => HeadRewardKind.CompressedSize,
        _ => throw new NotSupportedException($"head {name}"),
    };

    private static string File(ConformanceCase testCase, string role) => Part(testCase, role).GetProperty("file").GetString()!;

    /// <summary>The head beside the case; a released one, which cannot be shipped, in CONFORMANCE_HEADS_DIR, else the test is skipped visibly.</summary>
    private static string HeadFile(ConformanceCase testCase)
    {
        string file = File(testCase, "head");
        string path = testCase.PathOf(file);
        if (!System.IO.File.Exists(path) && Environment.GetEnvironmentVariable("CONFORMANCE_HEADS_DIR") is { Length: > 0 } folder)
        {
            path = Path.Combine(folder, Path.GetFileName(file));
        }

        bool optional = Part(testCase, "head").TryGetProperty("optional", out JsonElement flag) && flag.GetBoolean();
        if (optional && !System.IO.File.Exists(path))
        {
            Assert.Ignore($"{testCase}: {Path.GetFileName(file)} is not here; its folder can be named by CONFORMANCE_HEADS_DIR.");
        }

        return path;
    }

    private static JsonElement Part(ConformanceCase testCase, string role) =>
        testCase.Json.GetProperty("weights").EnumerateArray().Single(part => part.GetProperty("role").GetString() == role);

    private static bool Flag(ConformanceCase testCase, string name, bool absent) =>
        testCase.Arguments.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value.GetBoolean() : absent;

    private static Dictionary<string, Tensor> Outputs(params (string Name, Tensor Value)[] outputs) =>
        outputs.ToDictionary(output => output.Name, output => output.Value);

    private static Dictionary<string, Tensor> Wanted(ConformanceCase testCase, params (string Name, Tensor Value)[] outputs) =>
        Outputs([.. outputs.Where(output => testCase.Find($"out.{output.Name}") is not null)]);
}
