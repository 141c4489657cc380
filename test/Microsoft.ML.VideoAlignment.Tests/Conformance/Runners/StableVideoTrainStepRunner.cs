using System.Text.Json;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S15, Stable Video Diffusion part: the real trainer on given images and draws, for videos of one segment and of several.</summary>
internal sealed class StableVideoTrainStepRunner : IConformanceRunner
{
    public string Suite => "S15-vader-step";

    public IReadOnlyCollection<string> Kinds => ["svd-train-step"];

    public void Run(ConformanceCase testCase)
    {
        Run(testCase, recompute: false);
        Run(testCase, recompute: true);
    }

    private static void Run(ConformanceCase testCase, bool recompute)
    {
        JsonElement weights = testCase.Json.GetProperty("weights")[0];
        using VideoDiffusionModel model =
            new(StableVideoDiffusionModel.FromFolder(testCase.PathOf(weights.GetProperty("file").GetString()!), null, CaseDevice.Placement));
        model.FramesPerDecode = testCase.Arguments.GetProperty("decode_chunk_size").GetInt32();
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        using LoraAdapters adapters =
            ModelScopeTrainStepRunner.LoadAdapters(testCase, model, testCase.Config.GetProperty("lora").GetProperty("scaling").GetDouble());
        SamplingSettings sampling = StableVideoPipelineRunner.Settings(testCase, model) with
        {
            SegmentCount = testCase.Arguments.GetProperty("film").GetProperty("segments").GetInt32(),
        };
        var draws = new GivenSegments(testCase, model, sampling);
        draws.CheckConstants();
        bool carry = sampling.SegmentCount > 1 && !testCase.Arguments.GetProperty("film").GetProperty("detach").GetBoolean();
        TrainStepCase.Run(testCase, model, adapters, sampling, draws.Rollout, carryGradientAcrossSegments: carry);
        if (sampling.SegmentCount > 1)
        {
            testCase.CheckOutput("handed", draws.Handed());
        }
    }

    /// <summary>The segments of a case's micro-batches, from its images, noises and window.</summary>
    private sealed class GivenSegments
    {
        private readonly ConformanceCase _case;
        private readonly VideoDiffusionModel _model;
        private readonly SamplingSettings _sampling;
        private readonly ISampler _sampler;
        private readonly bool _onlyLastCarriesGradient;
        private readonly bool _keepsFirstEmbedding;
        private readonly SortedDictionary<(int Micro, int Segment), Tensor> _handed = [];

        public GivenSegments(ConformanceCase testCase, VideoDiffusionModel model, SamplingSettings sampling)
        {
            (_case, _model, _sampling, _sampler) = (testCase, model, sampling, model.CreateSampler(sampling));
            JsonElement film = testCase.Arguments.GetProperty("film");
            _onlyLastCarriesGradient = film.GetProperty("graded").GetString() == "last";
            _keepsFirstEmbedding = film.GetProperty("image_embedding").GetString() == "first";
        }

        /// <summary>The images that were handed on, [M, S-1, B, 3, H, W].</summary>
        public Tensor Handed() => stack(_handed.GroupBy(pair => pair.Key.Micro).Select(micro => stack(micro.Select(pair => pair.Value))));

        public Rollout Rollout(int micro)
        {
            Tensor given = _case["in.image"][micro];
            SegmentInputs first = Segment(micro, 0, given, embedding: null);
            return new Rollout
            {
                Prompts = [.. Enumerable.Repeat("", (int)given.shape[0])],
                First = first,
                Later = [.. Enumerable.Range(1, _sampling.SegmentCount - 1).Select(segment => (Func<Tensor, SegmentInputs>)(image =>
                {
                    // A recomputed segment is not begun again, so each image is seen once.
                    _handed.Add((micro, segment), image.detach().clone().DetachFromDisposeScope());
                    return Segment(micro, segment, image, _keepsFirstEmbedding ? first.Condition.Text : null);
                }))],
                Frames = [.. _case.Arguments.GetProperty("frames").EnumerateArray().Select(frame => frame.GetInt32())],
            };
        }

        public void CheckConstants()
        {
            SegmentInputs first = Segment(0, 0, _case["in.image"][0], embedding: null);
            _case.CheckOutput("image_embeddings", first.Condition.Text);
            _case.CheckOutput("image_latents", first.Condition.ImageLatents!);
            _case.CheckOutput("sigmas", Floats(((EulerDiscreteScheduler.Sampler)_sampler).Sigmas));
            _case.CheckOutput("timesteps", Floats(_sampler.Timesteps));
            _case.CheckOutput("sensitivity", Floats(StepSensitivity.Compute(_sampler)));
            int[] withGradient =
                [.. _case.Arguments.GetProperty("window").GetProperty("graded_steps").EnumerateArray().Select(step => step.GetInt32())];
            Assert.That(Window().GradientSteps, Is.EqualTo(withGradient));

            static Tensor Floats(IEnumerable<double> values) => tensor(values.Select(value => (float)value).ToArray());
        }

        private SegmentInputs Segment(int micro, int segment, Tensor image, Tensor? embedding)
        {
            VideoRequest request = StableVideoPipelineRunner.Request(_sampling, image, _case["in.noise.augmentation"][micro, segment]);
            Condition condition = _model.Encode(request);
            if (embedding is not null)
            {
                condition = condition with { Text = embedding };
            }

            bool constant = _onlyLastCarriesGradient && segment < _sampling.SegmentCount - 1;
            return new SegmentInputs
            {
                Condition = condition,
                Unconditional = _model.GuidanceActs(_sampling.GuidanceScale) ? _model.EncodeUnconditional(request, condition) : null,
                Start = _case["in.latents"][micro, segment].transpose(1, 2).Mul(_sampler.InitialNoiseSigma),
                Noise = _ => throw new InvalidOperationException("nothing is drawn here"),
                Plan = constant ? Window().WithoutGradient() : Window(),
            };
        }

        private GradientPlan Window() => TrainStepCase.WindowOf(_case.Arguments.GetProperty("window"))
            .Resolve(_sampler, _ => throw new InvalidOperationException("nothing is drawn here"));
    }
}
