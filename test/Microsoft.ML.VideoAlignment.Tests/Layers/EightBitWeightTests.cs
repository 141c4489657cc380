using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.MovingShapes;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Frozen weights in int8: a layer computes what a float layer with the restored weights does, gradients included.</summary>
public class EightBitWeightTests
{
    private static readonly VideoModelOptions s_eightBit = new() { Precision = WeightPrecision.Int8 };

    [Test]
    public void ALayerIsTheFloatLayerOfItsRestoredWeights([Values] bool merged, [Values(2, 48)] int rank)
    {
        using DisposeScope scope = NewDisposeScope();
        using var small = new Linear(64, 80, Placement.OnCpu(WeightPrecision.Int8));
        using var wide = new Linear(64, 80, Placement.Cpu);
        using (no_grad())
        {
            (Tensor whole, Tensor scale) = ChannelQuantization.Quantize(Ramp.Values(1, 80, 64));
            small.Weight.copy_(whole);
            small.Frozen.Scale!.copy_(scale);
            small.state_dict()["bias"].copy_(Ramp.Values(2, 80));
            wide.Weight.copy_(small.Frozen.ConvertTo(ScalarType.Float32));
            wide.state_dict()["bias"].copy_(small.state_dict()["bias"]);
        }

        Tensor[] expected = Run(wide), given = Run(small);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.That(given[i].allclose(expected[i], 0, 2e-3 * expected[i].abs().max().ToDouble()), $"{i}"); // the bias is float16
        }

        Tensor[] Run(Linear layer)
        {
            Tensor x = Ramp.Values(3, 5, 64).requires_grad_(true);
            var down = new TorchSharp.Modules.Parameter(Ramp.Values(4, rank, 64));
            var up = new TorchSharp.Modules.Parameter(Ramp.Values(5, 80, rank));
            layer.Slot.Adapter = new LowRankAdapter(down, up, 0.5);
            if (merged)
            {
                using IDisposable guard = no_grad();
                layer.Slot.Merge(layer.Frozen);
            }

            Tensor y = layer.forward(x);
            (y * Ramp.Values(6, 5, 80)).sum().backward();
            layer.Slot.Unmerge();
            return merged ? [y, x.grad!] : [y, x.grad!, down.grad!, up.grad!];
        }
    }

    [TestCase("text-to-video")]
    [TestCase("image-to-video")]
    public void AModelTakesAQuarterAndPredictsNearlyTheSame(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        string folder = MovingShapesFiles.Find(name);
        using VideoDiffusionModel full = VideoDiffusionModel.FromPretrained(folder), small = VideoDiffusionModel.FromPretrained(folder, s_eightBit);
        Tensor expected = Prediction(full);
        double error = (Prediction(small) - expected).square().mean().sqrt().ToDouble() / expected.std().ToDouble();
        var options = new VideoAlignmentOptions { Lora = new() { Rank = 4 } };
        using (Assert.EnterMultipleScope())
        {
            Assert.That(error, Is.GreaterThan(0).And.LessThan(0.03));
            Assert.That(small.Hash, Is.EqualTo(full.Hash), "of the files");
            Assert.That(small.EstimateMemory(options).Weights, Is.EqualTo(Bytes(small)).And.LessThan(0.3 * Bytes(full)));
            Assert.That(Bytes(small.ToMeta()), Is.EqualTo(Bytes(small)));
        }

        static long Bytes(VideoDiffusionModel model) =>
            model.Networks.Values.SelectMany(network => network.state_dict().Values).Sum(tensor => tensor.numel() * tensor.element_size());
    }

    /// <summary>The gradient of a training step with respect to the adapters, against a model of full precision that holds the restored weights.</summary>
    [Test]
    public void TheAdaptersGradientIsThatOfTheRestoredWeights([Values] ActivationRecompute recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        string folder = MovingShapesFiles.Find("text-to-video");
        using VideoDiffusionModel full = VideoDiffusionModel.FromPretrained(folder), small = VideoDiffusionModel.FromPretrained(folder, s_eightBit);
        foreach ((string network, nn.Module module) in full.Networks)
        {
            using IDisposable guard = no_grad();
            Dictionary<string, Tensor> from = small.Networks[network].state_dict();
            foreach ((string key, Tensor target) in module.state_dict())
            {
                Tensor stored = from[key];
                target.copy_(stored.dtype == ScalarType.Int8
                    ? ChannelQuantization.Dequantize(stored, from[key + ChannelQuantization.ScaleSuffix], ScalarType.Float32) : stored);
            }
        }

        Tensor expected = Gradient(full);
        using IDisposable memory = Recompute.BeginScope(
            recompute == ActivationRecompute.None ? ActivationMemory.Keep : ActivationMemory.Recompute, recompute == ActivationRecompute.Steps);
        Tensor given = Gradient(small);
        Assert.That((given - expected).abs().max().ToDouble(), Is.LessThan(1e-5 * expected.abs().max().ToDouble()));
    }

    [Test]
    public void ATrainedModelIsSavedAndOpensAgain()
    {
        var context = new MLContext(seed: 1);
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(MovingShapesFiles.Find("text-to-video"), s_eightBit);
        using VideoReward reward = TinyModel.Redness();
        IDataView prompts = context.Data.LoadFromEnumerable([new PromptRow { Prompt = "a red circle" }]);
        var options = new VideoAlignmentOptions { Sampling = new() { Steps = 2, Frames = 2 }, Lora = new() { Rank = 2 }, Optimizer = new() { Steps = 1 } };
        using VideoAlignmentTransformer fitted = context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options).Fit(prompts);
        float[] frames = [.. fitted.Transform(prompts).GetColumn<VBuffer<float>>("Video").First().DenseValues()];
        Assert.That(frames, Is.All.InRange(0f, 1f));
    }

    private static Tensor Prediction(VideoDiffusionModel model)
    {
        using IDisposable guard = no_grad();
        return model.Predict(Ramp.Values(3, model.LatentShape(1, model.DefaultSize)), 500, Conditioned(model));
    }

    private static Condition Conditioned(VideoDiffusionModel model) => model.EmptyCondition(1, model.DefaultSize).Map(tensor => Ramp.Values(4, tensor.shape));

    private static Tensor Gradient(VideoDiffusionModel model)
    {
        using LoraAdapters adapters = TinyModel.Adapt(model);
        foreach ((string name, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            using IDisposable guard = no_grad();
            using Tensor values = Ramp.Values(name.Length, factor.shape) * 0.1;
            factor.copy_(values);
        }

        using var guidance = new Guidance(model, Conditioned(model), null, new SamplingSettings { Size = model.DefaultSize, Steps = 1, GuidanceScale = 1 });
        Tensor prediction = guidance.Predict(Ramp.Values(3, model.LatentShape(1, model.DefaultSize)), 500);
        Recompute.Backward(model.Decode(prediction, model.DefaultSize.Frames, [0]).square().mean());
        return cat([.. adapters.Parameters.Select(factor => factor.grad!.flatten().clone())]);
    }
}
