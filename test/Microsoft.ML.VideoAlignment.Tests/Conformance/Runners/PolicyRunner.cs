using System.Text.Json;
using Microsoft.ML.VideoAlignment.Algorithms.Ddpo;
using Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S16: what DDPO and Diffusion-DPO are made of, each a pure function of given numbers.</summary>
internal sealed class PolicyRunner : IConformanceRunner
{
    public string Suite => "S16-policy";

    public IReadOnlyCollection<string> Kinds => ["ddim_step_with_logprob", "PerPromptStatTracker", "ddpo-ppo-loss", "diffusion-dpo-loss"];

    public void Run(ConformanceCase testCase)
    {
        switch (testCase.Kind)
        {
            case "ddim_step_with_logprob":
                Step(testCase);
                break;
            case "PerPromptStatTracker":
                Tracker(testCase);
                break;
            case "ddpo-ppo-loss":
                Ppo(testCase);
                break;
            default:
                Dpo(testCase);
                break;
        }
    }

    /// <summary>Every sample of the batch is a step of its own in one policy over the case's timesteps.</summary>
    private static void Step(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        double[] timesteps = [.. testCase["in.timestep"].cpu().data<long>().ToArray().Select(t => (double)t)];
        IPolicySampler policy = DdimScheduler.FromConfig(testCase.Config).CreatePolicy(
            timesteps, arguments.GetProperty("num_inference_steps").GetInt32(), Number(arguments, "eta", 1), Flag(arguments, "use_clipped_model_output"));
        Tensor sample = testCase.Input("sample"), prediction = testCase.Input("model_output");
        (Tensor mean, double[] deviations) = PolicyStep.Compute(policy, [.. Enumerable.Range(0, timesteps.Length)], sample, prediction);
        Tensor deviation = tensor(deviations, dtype: ScalarType.Float32, device: sample.device);
        Tensor next = (mean + (deviation.view(-1, 1, 1, 1, 1) * testCase["in.noise"])).detach();
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor>(StringComparer.Ordinal)
            {
                ["mean"] = mean,
                ["std"] = deviation,
                ["prev_sample"] = next,
                ["log_prob"] = PolicyStep.LogProbability(next, mean, deviations),
                ["log_prob_given"] = PolicyStep.LogProbability(testCase["in.prev_sample_given"], mean, deviations),
            },
            new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["sample"] = sample, ["model_output"] = prediction });
    }

    private static void Tracker(ConformanceCase testCase)
    {
        var tracker = new PerPromptStatTracker(testCase.Config.GetProperty("buffer_size").GetInt32(), testCase.Config.GetProperty("min_count").GetInt32());
        int update = 0;
        foreach (JsonElement prompts in testCase.Arguments.GetProperty("prompts").EnumerateArray())
        {
            double[] rewards = testCase[$"in.rewards.{update}"].to_type(ScalarType.Float64).cpu().data<double>().ToArray();
            testCase.CheckOutput($"advantages.{update}", tensor(tracker.Update([.. prompts.EnumerateArray().Select(prompt => prompt.GetString()!)], rewards)));
            testCase.CheckOutput($"global-advantages.{update}", tensor(PerPromptStatTracker.Normalize(rewards)));
            update++;
        }

        (double Mean, double Deviation, int Count)[] stats = [.. testCase.Arguments.GetProperty("stats_order").EnumerateArray()
            .Select(prompt => tracker.GetStatistics(prompt.GetString()!))];
        testCase.CheckOutput("stats.mean", tensor(stats.Select(stat => stat.Mean).ToArray()));
        testCase.CheckOutput("stats.std", tensor(stats.Select(stat => stat.Deviation).ToArray()));
        testCase.CheckOutput("stats.count", tensor(stats.Select(stat => (long)stat.Count).ToArray()));
    }

    private static void Ppo(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        Tensor probability = testCase.Input("log_prob");
        PpoTerms terms = new PpoLoss(arguments.GetProperty("adv_clip_max").GetDouble(), arguments.GetProperty("clip_range").GetDouble())
            .Compute(probability, testCase["in.log_prob_old"], testCase["in.advantages"]);
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor>(StringComparer.Ordinal)
            {
                ["loss"] = terms.Loss,
                ["ratio"] = terms.Ratio,
                ["approx_kl"] = terms.ApproximateKl,
                ["clipfrac"] = terms.ClipFraction,
            },
            new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["log_prob"] = probability });
    }

    private static void Dpo(ConformanceCase testCase)
    {
        IPolicyScheduler scheduler = DdimScheduler.FromConfig(testCase.Config);
        long[] timesteps = testCase["in.timesteps"].cpu().data<long>().ToArray();
        timesteps = [.. timesteps, .. timesteps];
        Tensor latents = testCase["in.latents"], noise = cat([testCase["in.noise"], testCase["in.noise"]]), prediction = testCase.Input("model_pred");
        Tensor target = scheduler.Forward.Target(scheduler.Prediction, latents, noise, timesteps);
        DiffusionDpoTerms terms =
            new DiffusionDpoLoss(testCase.Arguments.GetProperty("beta_dpo").GetDouble()).Compute(prediction, testCase["in.ref_pred"], target);
        testCase.CheckOutputsAndGradients(
            new Dictionary<string, Tensor>(StringComparer.Ordinal)
            {
                ["noisy_latents"] = scheduler.Forward.AddNoise(latents, noise, timesteps),
                ["target"] = target,
                ["loss"] = terms.Loss,
                ["inside_term"] = terms.Inside,
                ["implicit_acc"] = terms.Accuracy,
                ["raw_model_loss"] = terms.ModelError,
                ["raw_ref_loss"] = terms.ReferenceError,
            },
            new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["model_pred"] = prediction });
    }

    private static double Number(JsonElement arguments, string key, double otherwise) => arguments.TryGetProperty(key, out JsonElement value)
        ? value.GetDouble() : otherwise;

    private static bool Flag(JsonElement arguments, string key) => arguments.TryGetProperty(key, out JsonElement value) && value.GetBoolean();
}
