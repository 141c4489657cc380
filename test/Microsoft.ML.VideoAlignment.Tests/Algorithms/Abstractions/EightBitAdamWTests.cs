using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Tests;

public class EightBitAdamWTests
{
    /// <summary>The paper's figure 2 has 7 exponent bits: from 5.5e-7 to 1, and at most 0.4 % to 4.5 % between neighbors' middles by decade.</summary>
    [Test]
    public void TheTreeHoldsSevenDecades([Values] bool ofEitherSign)
    {
        using DisposeScope scope = NewDisposeScope();
        using BlockwiseQuantizer tree = ofEitherSign ? BlockwiseQuantizer.SignedCodes(CPU) : BlockwiseQuantizer.PositiveCodes(CPU);
        float[] values = tree.Codes.data<float>().ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Has.Length.EqualTo(256).And.Ordered.And.Unique);
            Assert.That(values, Has.Member(0f).And.Member(1f));
            Assert.That(values.Where(value => value > 0).Min(), Is.EqualTo(ofEitherSign ? 5.5e-7f : 3.25e-7f).Within(1).Percent);
            Assert.That(values[0], Is.EqualTo(ofEitherSign ? -0.993f : 0f).Within(1e-3f));
        }
    }

    [Test]
    public void WhatIsHeldIsTheNearestValueOfItsBlock()
    {
        using DisposeScope scope = NewDisposeScope();
        using BlockwiseQuantizer tree = BlockwiseQuantizer.PositiveCodes(CPU);
        using var generator = new Generator(3);
        Tensor x = pow(10, (rand(1000, generator: generator) * 6) - 6) * cat([ones(256) * 1e-4, ones(256) * 1e3, ones(488)]);
        (Tensor places, Tensor scales) = tree.Quantize(x);
        Tensor back = tree.Dequantize(places, scales);
        Tensor shares = x / scales.repeat_interleave(BlockwiseQuantizer.Block).narrow(0, 0, 1000);
        Tensor best = (tree.Codes.unsqueeze(0) - shares.unsqueeze(1)).abs().amin([1]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(places.dtype, Is.EqualTo(ScalarType.Byte));
            Assert.That(scales.shape[0], Is.EqualTo(4));
            Assert.That(((back / scales.repeat_interleave(BlockwiseQuantizer.Block).narrow(0, 0, 1000)) - shares).abs().sub(best).max().ToDouble(),
                Is.LessThan(1e-6));
            Assert.That(tree.Dequantize(tree.Quantize(x.pow(3)).Places, scales).gt(0).all().ToBoolean(), "a second moment above zero stays above zero");
            Assert.That(tree.Dequantize(tree.Quantize(zeros(7)).Places, zeros(1)).abs().max().ToDouble(), Is.Zero);
        }
    }

    /// <summary>A quadratic whose curvatures span three decades within a block: both go down alike and end as low.</summary>
    [Test]
    public void OnAQuadraticItFollowsAdamW()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor curvature = pow(10, linspace(-1.5, 1.5, 600));
        (double start, double wide, Tensor wideWay) = Descend(OptimizerState.Full);
        (_, double small, Tensor smallWay) = Descend(OptimizerState.EightBit);
        Assert.That(wide, Is.LessThan(0.05 * start));
        Assert.That(small, Is.EqualTo(wide).Within(0.001 * start));
        Assert.That((smallWay - wideWay).abs().mean().ToDouble(), Is.LessThan(0.03), "after 20 steps, each of about 0.05");

        (double Start, double End, Tensor Way) Descend(OptimizerState state)
        {
            var x = new Parameter(Ramp.Values(1, 600) + 2);
            using IAdapterOptimizer optimizer =
                IAdapterOptimizer.Create([x], (TinyModel.Settings() with { LearningRate = 5e-2, OptimizerState = state }).Optimizer);
            double first = Loss().ToDouble();
            Tensor way = x;
            for (int step = 0; step < 100; step++)
            {
                way = step == 20 ? x.detach().clone() : way;
                optimizer.ZeroGrad();
                Loss().backward();
                optimizer.Step(5e-2);
            }

            return (first, Loss().ToDouble(), way);

            Tensor Loss() => (x.square() * curvature).mean();
        }
    }

    [Test]
    public void StatesTakeAQuarter()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter[] factors = [new(Ramp.Values(1, 16, 320)), new(Ramp.Values(2, 1280, 16)), new(Ramp.Values(3, 3, 5))];
        long[] bytes = [.. new[] { OptimizerState.Full, OptimizerState.EightBit }.Select(state =>
        {
            using IAdapterOptimizer optimizer = IAdapterOptimizer.Create(factors, (TinyModel.Settings() with { OptimizerState = state }).Optimizer);
            factors.Aggregate(zeros(1), (sum, factor) => sum + factor.square().sum()).backward();
            optimizer.Step(5e-2);
            Assert.That(optimizer.StateBytes, Is.EqualTo(factors.Sum(factor => IAdapterOptimizer.BytesFor(factor, state))));
            return optimizer.StateBytes;
        })];
        Assert.That(bytes[1], Is.LessThan(0.3 * bytes[0]));
    }

    /// <summary>
    /// A dozen updates of a tiny model raise the reward as much, nearly. Factors whose gradient is a thousandth of their block's largest are moved otherwise,
    /// as few values lie there, and matter as little.
    /// </summary>
    [Test]
    public void AlignmentGainsAsMuch()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        double wide = Gain(OptimizerState.Full), small = Gain(OptimizerState.EightBit);
        Assert.That(wide, Is.GreaterThan(1e-3));

        // A step is the ratio of two rounded moments, so the two runs part, on each processor in another way: they are compared by what they reach.
        Assert.That(small, Is.GreaterThan(0.5 * wide).And.LessThan(2 * wide));

        double Gain(OptimizerState state)
        {
            using LoraAdapters adapters = TinyModel.Adapt(model);
            using VideoReward reward = TinyModel.Redness();
            TrainerSettings settings = TinyModel.Settings(steps: 12) with
            {
                ValidationPrompts = ["a green cross"],
                ValidateEvery = 1,
                Window = GradientWindow.LastSteps(3),
                OptimizerState = state,
            };
            var curve = new List<double>();
            using var trainer = settings.Trainer(model, reward, adapters);
            trainer.Train(["a red circle", "a blue square"], step => curve.Add(step.ValidationReward!.Value));
            return curve[^1] - curve[0];
        }
    }

    [Test]
    public void TheDoorTakesTheOption()
    {
        VideoAlignmentOptions options = new() { Optimizer = new() { State = (OptimizerState)7 } };
        Assert.That(options.Validate, Throws.ArgumentException.With.Message.Contains("Optimizer.State"));
    }
}
