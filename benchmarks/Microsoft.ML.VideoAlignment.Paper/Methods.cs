using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>The methods of the comparison, as options of the library. LoRA, sampler, guidance, videos of a pass and AdamW are the same for all.</summary>
internal static class Methods
{
    public const string Base = "base", Ddpo = "ddpo", Dpo = "dpo", Vader = "vader";

    /// <summary>VADER's default window.</summary>
    public const string LastStep = "last 1";

    /// <summary>
    /// For motion, which the early steps decide: every second step of the first three fifths with its input held constant, scored at .65 of the way (DRTune).
    /// </summary>
    public const string Early = "early";

    /// <summary>Nothing moves at this rate: a base cell is measured exactly as the others are.</summary>
    public const double NoLearning = 1e-12;

    public static IReadOnlyList<string> All { get; } = [Base, .. Trained];

    public static IReadOnlyList<string> Trained => [Ddpo, Dpo, Vader];

    /// <summary>As tables write it.</summary>
    public static string Title(string method) => method switch
    {
        Base => "base model",
        Ddpo => "DDPO",
        Dpo => "Diffusion-DPO",
        _ => "VADER",
    };

    /// <summary>The window that a method's runs on a reward have. It says nothing to DDPO and DPO, which learn from every step.</summary>
    public static string WindowFor(string reward) => reward == PaperRewards.Action ? Early : LastStep;

    /// <summary>What a cell is run with, and the optimizer steps until the algorithm begins anew with new videos.</summary>
    public static (VideoAlignmentOptions Options, int Cycle) Options(ExperimentConfig cell)
    {
        VideoAlignmentOptions shared = new()
        {
            Sampling = new()
            {
                ImageColumnName = cell.Model == ExperimentConfig.Image ? nameof(ImageRow.Image) : null,
                SegmentCount = cell.Segments,
                Width = cell.Size,
                Height = cell.Size,
                Steps = cell.SamplerSteps,
                GuidanceScale = cell.Guidance,
                Eta = cell.Model == ExperimentConfig.Image ? null : cell.Eta,
            },
            Lora = new() { Rank = 8, Alpha = 8 },
            Optimizer = new() { LearningRate = cell.LearningRate, BatchSize = cell.Batch },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = Window(cell.Window, cell.SamplerSteps) }),
            Reward = new() { Frames = cell.Segments > 1 ? FirstFrames.Windows : cell.AllFrames ? RewardFrames.All : null },
            Memory = new() { Recompute = ActivationRecompute.None },
            Seed = cell.Seed,
        };
        return cell.Method switch
        {
            Base or Vader => Stepped(shared, cell, 1, cell.Batch),

            // Two optimizer steps to a rollout, each on its own half; scores of whole videos, which costs these two hardly anything and spares them noise.
            Ddpo => Stepped(shared with
            {
                Reward = shared.Reward with { Frames = RewardFrames.All },
                Algorithm = AlignmentAlgorithm.Ddpo(new DdpoOptions { Eta = cell.Eta }),
            }, cell, 2, 2 * cell.Batch),

            // 2 x 8 pairs of videos, each learnt from twice: as many optimizer steps for as many videos as the others.
            Dpo => Stepped(shared with
            {
                Reward = shared.Reward with { Frames = RewardFrames.All },
                Algorithm = AlignmentAlgorithm.DiffusionDpo(new DiffusionDpoOptions { InnerEpochs = 2 }),
            }, cell, 4, 4 * cell.Batch),
            _ => throw new ArgumentException($"There is no method '{cell.Method}'; there are {string.Join(", ", All)}.", nameof(cell)),
        };
    }

    /// <summary>"last K", "sensitive K", or "early".</summary>
    public static GradientWindow Window(string name, int samplerSteps)
    {
        if (name == Early)
        {
            return GradientWindow.DrTune([.. Enumerable.Range(0, ((samplerSteps * 3) + 4) / 5).Where(step => step % 2 == 0)], samplerSteps * 13 / 20);
        }

        return name.Split(' ') is [var kind and ("last" or "sensitive"), var number]
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            ? kind == "last" ? GradientWindow.LastSteps(count) : GradientWindow.MostSensitive(count)
            : throw new ArgumentException($"A window is 'last K', 'sensitive K' or '{Early}', got '{name}'.", nameof(name));
    }

    private static (VideoAlignmentOptions Options, int Cycle) Stepped(VideoAlignmentOptions options, ExperimentConfig cell, int cycle, int queriesPerCycle) => (
        options with
        {
            Optimizer = options.Optimizer with { Steps = Math.Max(1, cell.Queries / queriesPerCycle) * cycle },
            Validation = options.Validation with { Every = Math.Max(1, cell.MeasureEvery / queriesPerCycle) * cycle },
        },
        cycle);
}
