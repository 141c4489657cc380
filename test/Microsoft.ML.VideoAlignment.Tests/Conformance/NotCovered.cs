namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The one place that lists what the product does not cover yet. Anything else without a runner fails.</summary>
internal static class NotCovered
{
    /// <summary>Suite, and the kinds of it that are not covered; null: the whole suite.</summary>
    private static readonly Dictionary<string, string[]?> s_kinds = new(StringComparer.Ordinal)
    {
        ["S08-svd"] = null,
        ["S09-videocrafter"] = null,
        ["S12-pipelines"] =
        [
            "opensora.pipeline", "opensora.prompt-processing", "lvdm.text-to-video",
        ],
        ["S15-vader-step"] = ["videocrafter-train-step"],
        ["S16-policy"] = null,
    };

    /// <summary>Suite, and single cases of it: the other official files of S18 belong to networks that are not built yet.</summary>
    private static readonly Dictionary<string, string[]> s_cases = new(StringComparer.Ordinal)
    {
        ["S18-manifests"] =
        [
            "svd-image-encoder", "svd-unet", "svd-vae", "svd-xt-unet",
            "t5-v1_1-xxl-encoder", "vader-lora-opensora-r16", "vader-lora-videocrafter2-r16", "videocrafter2-model",
        ],
    };

    public static bool Contains(ConformanceCase testCase) =>
        (s_cases.TryGetValue(testCase.Suite, out string[]? cases) && cases.Contains(testCase.Name)) || ContainsKind(testCase);

    private static bool ContainsKind(ConformanceCase testCase) =>
        s_kinds.TryGetValue(testCase.Suite, out string[]? kinds) && (kinds is null || kinds.Contains(testCase.Kind));
}
