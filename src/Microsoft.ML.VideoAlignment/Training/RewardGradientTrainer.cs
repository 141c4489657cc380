using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// VADER (Prabhudesai et al. 2024, arXiv 2407.08737), Algorithm 1: sample videos, decode the frames the reward wants, score them, and send the
/// gradient of the loss through reward, decoder and the window's denoising steps into the adapters. The paper's update is printed as a step down
/// the reward; the released code descends on a loss, and so do we.
/// </summary>
internal sealed class RewardGradientTrainer : AlignmentTrainer
{
    private readonly RewardGradientSettings _settings;

    public RewardGradientTrainer(VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters, RewardGradientSettings settings)
        : base(model, reward, adapters, settings) => _settings = settings;

    protected override StepOutcome Accumulate(TrainingDraws draws, CancellationToken cancellation)
    {
        (double reward, double loss) = (0, 0);
        for (int micro = 0; micro < _settings.Accumulation; micro++)
        {
            RolloutResult result = Backward(Draw(draws), cancellation);
            reward += result.Scores.mean().ToDouble() / _settings.Accumulation;
            loss += result.Loss.ToDouble() / _settings.Accumulation;
        }

        return new StepOutcome(reward, loss);
    }

    /// <summary>Samples, decodes, scores, and adds the gradient of loss / accumulation to the adapters.</summary>
    public RolloutResult Backward(Rollout rollout, CancellationToken cancellation = default)
    {
        using DisposeScope scope = NewDisposeScope();
        BaseDistance? distance = _settings.BaseDistanceWeight > 0 ? new BaseDistance(Adapters, Sampler, Work) : null;
        var chain = new ClipChain(Model, _settings.Sampling, Sampler, Adapters) { OnStep = distance is null ? null : distance.Add };
        var clips = new List<Tensor>();
        chain.Run(Begin, Finish, cancellation);
        CountWork(rollout);
        Tensor? penalty = distance?.Take() is { } apart ? apart * _settings.BaseDistanceWeight : null;
        (Tensor decoded, Tensor scores, Tensor loss) = new GradedDecode(chain, _settings.Sampling.Size.Frames, _settings.FramesPerDecode)
            .Backward(clips, rollout.Frames, Score, Share(rollout), penalty);
        foreach (Func<Tensor> noise in rollout.Copies)
        {
            BackwardCopy(chain, rollout, clips[0].detach(), noise(), Score);
        }

        Tensor latents = clips.Count == 1 ? clips[0] : cat([.. clips.Select(clip => clip.detach())], dim: 2);
        return new RolloutResult(Keep(latents), Keep(decoded), Keep(scores), Keep(loss));

        // A clip that no scored frame depends on needs no graph.
        PreparedClip Begin(int index, Tensor? image)
        {
            PreparedClip clip = rollout.Begin(index, image);
            bool scored = rollout.Frames.Any(frame =>
                frame / _settings.Sampling.Size.Frames == index || (_settings.CarryGradientAcrossClips && frame / _settings.Sampling.Size.Frames > index));
            return scored || _settings.Sampling.SegmentCount == 1 ? clip : clip with { Plan = clip.Plan.WithoutGradient() };
        }

        Tensor? Finish(int index, Tensor latents)
        {
            clips.Add(latents.MoveToOuterDisposeScope());
            return index + 1 < _settings.Sampling.SegmentCount ? chain.LastFrame(latents, _settings.CarryGradientAcrossClips) : null;
        }

        (Tensor Scores, Tensor Loss) Score(Tensor decoded)
        {
            MemoryMeter.Enter(MemoryPhase.Score);
            MemoryMeter.Look(decoded);
            Tensor scores = Reward.Score(UnitRange.FromSigned(decoded), rollout.Prompts);
            return (scores, _settings.Loss.Of(scores));
        }

        static Tensor Keep(Tensor tensor) => tensor.detach().MoveToOuterDisposeScope();
    }

    /// <summary>What a loss is multiplied by, so that accumulated micro-batches and copies have the gradient of their mean.</summary>
    private double Share(Rollout rollout) => 1.0 / (_settings.Accumulation * (1 + rollout.Copies.Count));

    /// <summary>DRaFT-LV, arXiv 2309.17400, algorithm 1: the finished latents, noised to the last step's level and denoised once.</summary>
    private void BackwardCopy(ClipChain chain, Rollout rollout, Tensor finished, Tensor noise, GradedDecode.Score score)
    {
        using DisposeScope scope = NewDisposeScope();
        IPolicyScheduler scheduler = Model.PolicyScheduler;
        ISampler sampler = scheduler.CreateSampler(_settings.Sampling.Steps);
        int last = sampler.Timesteps.Count - 1;
        long[] timesteps = [.. Enumerable.Repeat((long)sampler.Timesteps[last], (int)finished.shape[0])];
        Tensor noised = scheduler.Forward.AddNoise(finished, noise, timesteps);
        using var guidance = new Guidance(Model, rollout.Condition, rollout.Unconditional, _settings.Sampling);
        Tensor clean = Denoising.Run(sampler, noised, guidance.Predict, GradientPlan.Suffix(last + 1, last, stop: last), adapters: Adapters, first: last);
        new GradedDecode(chain, _settings.Sampling.Size.Frames, _settings.FramesPerDecode).Backward([clean], rollout.Frames, score, Share(rollout));
        Work.Denoised(finished.shape[0] * guidance.Branches);
        Work.Scored(finished.shape[0]);
    }

    private Rollout Draw(TrainingDraws draws)
    {
        IReadOnlyList<VideoPrompt> prompts = draws.Prompts(_settings.BatchSize);
        long[] shape = Model.LatentShape(_settings.BatchSize, _settings.Sampling.Size);
        Tensor Noise(IReadOnlyList<long> shape) => draws.Noise(shape, Model.Device);
        (Condition conditional, Condition? unconditional) = Conditions.Of(prompts, Noise);
        return new Rollout
        {
            Prompts = [.. prompts.Select(prompt => Model.RewardText(prompt.Text))],
            Condition = conditional,
            Unconditional = unconditional,
            Start = Noise(shape) * Sampler.InitialNoiseSigma,
            Noise = _ => Noise(shape),
            Plan = _settings.Window.Resolve(Sampler, draws.Below),
            Frames = _settings.Frames.Select(_settings.Sampling.RewardFrameCount(Model), draws.Below),
            Copies = [.. Enumerable.Repeat(() => Noise(shape), _settings.Window.Copies - 1)],
            Later = [.. Enumerable.Repeat<Func<Tensor, PreparedClip>>(After, _settings.Sampling.SegmentCount - 1)],
        };

        PreparedClip After(Tensor image)
        {
            (Condition conditional, Condition? unconditional) = Conditions.After(prompts, image, Noise);
            return new PreparedClip
            {
                Condition = conditional,
                Unconditional = unconditional,
                Start = Noise(shape) * Sampler.InitialNoiseSigma,
                Noise = _ => Noise(shape),
                Plan = _settings.Window.Resolve(Sampler, draws.Below),
            };
        }
    }

    private void CountWork(Rollout rollout)
    {
        int steps = rollout.Plan.Stop + 1 ?? rollout.Plan.Count;
        Work.Denoised((long)rollout.Prompts.Count * steps * _settings.Sampling.SegmentCount * Branches);
        Work.Scored(rollout.Prompts.Count);
    }
}
