using System.Diagnostics;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// VADER (Prabhudesai et al. 2024, arXiv 2407.08737), Algorithm 1: sample videos, decode the frames the reward wants, score them, and send the
/// gradient of the loss through reward, decoder and the window's denoising steps into the adapters. The paper's update is printed as a step down
/// the reward; the released code descends on a loss, and so do we.
/// </summary>
internal sealed class RewardGradientTrainer : IDisposable
{
    private readonly VideoDiffusionModel _model;
    private readonly VideoReward _reward;
    private readonly LoraAdapters _adapters;
    private readonly RewardGradientSettings _settings;
    private readonly ISampler _sampler;
    private readonly torch.optim.Optimizer _optimiser;
    private readonly ConditionCache _conditions;

    public RewardGradientTrainer(VideoDiffusionModel model, VideoReward reward, LoraAdapters adapters, RewardGradientSettings settings)
    {
        (_model, _reward, _adapters, _settings) = (model, reward, adapters, settings);
        _sampler = model.CreateSampler(settings.Sampling);
        _conditions = new ConditionCache(model, settings.Sampling);
        _optimiser = optim.AdamW(
            adapters.Parameters, settings.LearningRate, settings.Beta1, settings.Beta2, settings.Epsilon, settings.WeightDecay);
    }

    /// <summary>Denoiser evaluations, one a prompt, step and guidance branch, since the trainer was made.</summary>
    public long DenoiserEvaluations { get; private set; }

    /// <summary>Videos scored since the trainer was made, held-out ones included.</summary>
    public long RewardQueries { get; private set; }

    /// <summary>THE MAIN LOOP. Returns the number of optimiser steps done; fewer than asked for when cancelled.</summary>
    public int Train(IReadOnlyList<VideoPrompt> prompts, Action<TrainingStep>? onStep = null, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        var clock = Stopwatch.StartNew();
        using var draws = new TrainingDraws(prompts, _settings.Seed);
        var watch = new AdapterWatch(_adapters, _reward.Contract.GradientMayVanish);
        _reward.BeginTraining();
        _conditions.Prepare([.. prompts, .. _settings.HeldOutPrompts, _settings.Sampling.NegativePrompt]);
        for (int step = 1; step <= _settings.Steps; step++)
        {
            using DisposeScope scope = NewDisposeScope();
            (double reward, double loss) = (0, 0);
            try
            {
                for (int micro = 0; micro < _settings.Accumulation; micro++)
                {
                    RolloutResult result = Backward(Draw(draws), cancellation);
                    reward += result.Scores.mean().ToDouble() / _settings.Accumulation;
                    loss += result.Loss.ToDouble() / _settings.Accumulation;
                }
            }
            catch (OperationCanceledException)
            {
                // The step under way is dropped; the weights are those of the last finished one.
                _optimiser.zero_grad();
                return step - 1;
            }
            catch (Exception exception) when (exception is not RewardContractException)
            {
                _optimiser.zero_grad();
                throw new TrainingStepException(step, $"{exception.GetType().Name}: {exception.Message}", SaveLastGood(step), exception);
            }

            watch.BeforeUpdate();
            double norm = Update(step, reward, loss);
            if (watch.AfterUpdate(step) is { Count: > 0 } idle)
            {
                warn?.Invoke($"No gradient reaches {idle.Count} adapter tensors (they cannot influence the reward): {string.Join(", ", idle.Take(5))}.");
            }

            bool measure = _settings.HeldOutPrompts.Count > 0 && (step % _settings.HeldOutEvery == 0 || step == _settings.Steps);
            onStep?.Invoke(new TrainingStep(step, reward, loss, norm, measure ? HeldOutReward() : null, clock.Elapsed));
        }

        return _settings.Steps;
    }

    /// <summary>Samples, decodes, scores, and adds the gradient of loss / accumulation to the adapters.</summary>
    public RolloutResult Backward(Rollout rollout, CancellationToken cancellation = default)
    {
        using DisposeScope scope = NewDisposeScope();
        var chain = new ClipChain(_model, _settings.Sampling, _sampler, _adapters);
        var clips = new List<Tensor>();
        chain.Run(Begin, Finish, cancellation);
        CountWork(rollout);
        (Tensor decoded, Tensor scores, Tensor loss) = new GradedDecode(chain, _settings.Sampling.Size.Frames, _settings.FramesPerDecode)
            .Backward(clips, rollout.Frames, Score, 1.0 / _settings.Accumulation);
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
            Tensor scores = _reward.Score(UnitRange.FromSigned(decoded), rollout.Prompts);
            return (scores, _settings.Loss.Of(scores));
        }

        static Tensor Keep(Tensor tensor) => tensor.detach().MoveToOuterDisposeScope();
    }

    /// <summary>Checks, clips and applies the accumulated gradient; returns its norm before clipping.</summary>
    public double Update(int step, double reward, double loss)
    {
        Require(double.IsFinite(reward), step, () => "the score");
        Require(double.IsFinite(loss), step, () => "the loss");
        double norm = nn.utils.clip_grad_norm_(_adapters.Parameters, _settings.MaxGradientNorm);
        Require(double.IsFinite(norm), step, () => $"the gradient of {FirstNonFiniteGradient()}");
        _optimiser.step();
        _optimiser.zero_grad();
        return norm;
    }

    public void Dispose()
    {
        _optimiser.Dispose();
        _conditions.Dispose();
    }

    private Rollout Draw(TrainingDraws draws)
    {
        IReadOnlyList<VideoPrompt> prompts = draws.Prompts(_settings.BatchSize);
        long[] shape = _model.LatentShape(_settings.BatchSize, _settings.Sampling.Size);
        Tensor Noise(IReadOnlyList<long> shape) => draws.Noise(shape, _model.Device);
        (Condition conditional, Condition? unconditional) = _conditions.Of(prompts, Noise);
        return new Rollout
        {
            Prompts = [.. prompts.Select(prompt => prompt.Text)],
            Condition = conditional,
            Unconditional = unconditional,
            Start = Noise(shape) * _sampler.InitialNoiseSigma,
            Noise = _ => Noise(shape),
            Plan = _settings.Window.Resolve(_sampler, draws.Below),
            Frames = _settings.Frames.Select(_settings.Sampling.RewardFrameCount(_model), draws.Below),
            Later = [.. Enumerable.Repeat<Func<Tensor, PreparedClip>>(After, _settings.Sampling.SegmentCount - 1)],
        };

        PreparedClip After(Tensor image)
        {
            (Condition conditional, Condition? unconditional) = _conditions.After(prompts, image, Noise);
            return new PreparedClip
            {
                Condition = conditional,
                Unconditional = unconditional,
                Start = Noise(shape) * _sampler.InitialNoiseSigma,
                Noise = _ => Noise(shape),
                Plan = _settings.Window.Resolve(_sampler, draws.Below),
            };
        }
    }

    private double HeldOutReward()
    {
        using DisposeScope scope = NewDisposeScope();
        var generator = new VideoGenerator(_model, _settings.Sampling, _conditions);
        double total = 0;
        foreach (VideoPrompt[] prompts in _settings.HeldOutPrompts.Chunk(_settings.BatchSize))
        {
            ulong[] seeds = [.. prompts.Select((_, row) => _settings.Seed + (ulong)row + 1)];
            using Tensor frames = generator.Generate(prompts, seeds, _adapters);
            using (no_grad())
            {
                total += _reward.Score(frames, [.. prompts.Select(prompt => prompt.Text)]).sum().ToDouble();
            }

            DenoiserEvaluations += (long)prompts.Length * _sampler.Timesteps.Count * _settings.Sampling.SegmentCount * Branches;
            RewardQueries += prompts.Length;
        }

        return total / _settings.HeldOutPrompts.Count;
    }

    private int Branches => _model.GuidanceActs(_settings.Sampling.GuidanceScale) ? 2 : 1;

    private void CountWork(Rollout rollout)
    {
        int steps = rollout.Plan.Stop + 1 ?? rollout.Plan.Count;
        DenoiserEvaluations += (long)rollout.Prompts.Count * steps * _settings.Sampling.SegmentCount * Branches;
        RewardQueries += rollout.Prompts.Count;
    }

    private void Require(bool finite, int step, Func<string> what)
    {
        if (!finite)
        {
            string tensor = what();
            _optimiser.zero_grad();
            throw new TrainingStepException(
                step, $"{tensor} is not finite. Lower the learning rate or the guidance scale, or look for divisions and logarithms in the reward.", SaveLastGood(step));
        }
    }

    /// <summary>The adapters are those of the last good step until an update is applied.</summary>
    private string SaveLastGood(int step)
    {
        using DisposeScope scope = NewDisposeScope();
        string path = Path.Combine(_settings.RecoveryFolder, $"adapters-after-step-{step - 1}-{Guid.NewGuid():N}.safetensors");
        SafetensorsWriter.Write(path, _adapters.StateDict());
        return path;
    }

    private string FirstNonFiniteGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        return _adapters.NamedFactors.First(pair => pair.Factor.grad is { } gradient && !gradient.isfinite().all().ToBoolean()).Name;
    }
}
