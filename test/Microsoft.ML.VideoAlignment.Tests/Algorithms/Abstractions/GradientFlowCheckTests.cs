using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Tests;

public class GradientFlowCheckTests
{
    /// <summary>Over one token queries and keys cannot matter: what stands in their gradient, zero or another kernel's rounding noise, says nothing.</summary>
    [TestCase(0)]
    [TestCase(1e-9)]
    public void InertFactorsAreNeitherMissedNorReached(double noise)
    {
        using DisposeScope scope = NewDisposeScope();
        using Attention attention = Small();
        using LoraAdapters adapters = Adapt(attention, LoraTargets.AllLayers);
        var watch = new GradientFlowCheck(adapters);
        IReadOnlyList<string> warnings = Steps(
            watch, attention, adapters, tokens: 1, (name, gradient) => Set(gradient, IsOf(name, "to_q", "to_k") ? noise : null), move: name =>
            IsOf(name, "to_v", "to_out"));
        Assert.That(warnings, Is.Empty);
        Assert.That(adapters.InertFactors, Has.Count.EqualTo(4));
    }

    /// <summary>Values whose gradient is lost are named, beside queries and keys that have none and are not.</summary>
    [Test]
    public void ADeadFactorIsNamedBesideInertOnes()
    {
        using DisposeScope scope = NewDisposeScope();
        using Attention attention = Small();
        using LoraAdapters adapters = Adapt(attention, LoraTargets.AllLayers);
        var watch = new GradientFlowCheck(adapters);
        IReadOnlyList<string> warnings = Steps(watch, attention, adapters, tokens: 1, (name, gradient) => Set(gradient, IsOf(name, "to_v") ? 0 : null));
        Assert.That(warnings, Has.Count.EqualTo(1));
        Assert.That(warnings[0],
            Does.StartWith("No gradient reaches 2 adapter tensors").And.Contains("to_v.lora_A.weight, to_v.lora_B.weight").And.Not.Contains("to_q"));
    }

    [Test]
    public void QueriesWithoutGradientAreNamedWhereTheyCanMatter()
    {
        using DisposeScope scope = NewDisposeScope();
        using Attention attention = Small();
        using LoraAdapters adapters = Adapt(attention, LoraTargets.AllLayers);
        var watch = new GradientFlowCheck(adapters);
        IReadOnlyList<string> warnings = Steps(watch, attention, adapters, tokens: 3, (name, gradient) => Set(gradient, IsOf(name, "to_q") ? 0 : null));
        Assert.That(warnings.Single(), Does.Contain("to_q.lora_A.weight, to_q.lora_B.weight"));
    }

    [Test]
    public void WhatRanBeforeTheRunSaysNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using Attention attention = Small();
        using LoraAdapters adapters = Adapt(attention, LoraTargets.AllLayers);
        attention.AttendToSelf(Ramp.Values(1, 2, 3, 8), Ramp.Values(2, 2, 3, 8));
        var watch = new GradientFlowCheck(adapters);
        Assert.That(Steps(watch, attention, adapters, tokens: 1), Is.Empty);
    }

    [Test]
    public void ARunInWhichNothingCanMatterSaysWhy()
    {
        using DisposeScope scope = NewDisposeScope();
        using Attention attention = Small();
        using LoraAdapters adapters = Adapt(attention, LoraTargets.ByName("to_q", "to_k"));
        var watch = new GradientFlowCheck(adapters);
        Assert.That(
            () => Steps(watch, attention, adapters, tokens: 1),
            Throws.InvalidOperationException.With.Message.Contains("None of the 4 adapter tensors").And.Message.Contains("single token")
                .And.Message.Contains("Choose"));
    }

    /// <summary>
    /// After an output layer of zeros gradient arrives a layer at a time: at the output's up, then at its down and the values' up, then at their down.
    /// </summary>
    [Test]
    public void AnOutputLayerThatBeginsAtZeroIsWaitedFor()
    {
        using DisposeScope scope = NewDisposeScope();
        using Attention attention = Small();
        using (no_grad())
        {
            attention.get_parameter("to_out.0.weight")!.zero_();
        }

        using LoraAdapters adapters = Adapt(attention, LoraTargets.AllLayers);
        var watch = new GradientFlowCheck(adapters);
        Assert.That(Steps(watch, attention, adapters, tokens: 3, count: 5), Is.Empty);
    }

    /// <summary>One whose output stays at zero, not being adapted itself, hides the layers before it for good.</summary>
    [Test]
    public void AnOutputLayerThatStaysAtZeroIsNoticed()
    {
        using DisposeScope scope = NewDisposeScope();
        using Attention attention = Small();
        using (no_grad())
        {
            attention.get_parameter("to_out.0.weight")!.zero_();
        }

        using LoraAdapters adapters = Adapt(attention, LoraTargets.ByName("to_q", "to_k", "to_v"));
        var watch = new GradientFlowCheck(adapters);
        Assert.That(() => Steps(watch, attention, adapters, tokens: 3),
            Throws.InvalidOperationException.With.Message.Contains("no gradient has reached any of the 6 adapter tensors"));
    }

    private static Attention Small() => Ramp.Fill(new Attention(8, 8, 2, 4, Placement.Cpu));

    private static LoraAdapters Adapt(Attention attention, LoraTargets targets)
    {
        using var generator = new Generator(2);
        return LoraAdapters.Attach(attention, targets, rank: 2, alpha: 2, generator);
    }

    private static bool IsOf(string name, params string[] layers) => layers.Any(layer => name.StartsWith(layer, StringComparison.Ordinal));

    private static void Set(Tensor gradient, double? value)
    {
        if (value is { } number)
        {
            gradient.fill_(number);
        }
    }

    /// <summary>
    /// Steps down the gradient's signs, as Adam's first steps do; <paramref name="spoil"/> may change it first, <paramref name="move"/> says which factors are
    /// updated. What the watch said.
    /// </summary>
    private static IReadOnlyList<string> Steps(
        GradientFlowCheck watch, Attention attention, LoraAdapters adapters, int tokens, Action<string, Tensor>? spoil = null, Func<string, bool>? move = null,
        int count = 3)
    {
        var said = new List<string>();
        for (int step = 1; step <= count; step++)
        {
            using DisposeScope scope = NewDisposeScope();
            attention.AttendToSelf(Ramp.Values(1, 2, tokens, 8), Ramp.Values(2, 2, tokens, 8)).square().sum().backward();
            foreach ((string name, Parameter factor) in adapters.NamedFactors)
            {
                if (factor.grad is { } gradient)
                {
                    spoil?.Invoke(name, gradient);
                }
            }

            watch.BeforeUpdate();
            using (no_grad())
            {
                foreach ((string name, Parameter factor) in adapters.NamedFactors.Where(pair => move?.Invoke(pair.Name) ?? true))
                {
                    if (factor.grad is { } gradient)
                    {
                        factor.sub_(gradient.sign() * 0.01);
                    }
                }
            }

            foreach ((_, Parameter factor) in adapters.NamedFactors)
            {
                factor.grad = null;
            }

            said.AddRange(watch.AfterUpdate(step));
        }

        return said;
    }
}
