using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.Tests;

public class LoraTargetsTests
{
    [TestCase("to_q", "attn.to_q")]
    [TestCase("to_out.0", "attn.to_out.0")]
    [TestCase("attn.to_q", "attn.to_q")]
    [TestCase("conv", "conv")]
    public void ANameIsTheWholePathOrItsEndAfterADot(string name, string expected)
    {
        using var network = new TinyNetwork();
        Assert.That(LoraTargets.ByName(name).Select(network).Select(layer => layer.Name), Is.EqualTo(new[] { expected }));
    }

    [Test]
    public void APatternMatchesTheWholePath()
    {
        using var network = new TinyNetwork();
        Assert.That(LoraTargets.ByPattern(@".*(to_q|conv)").Select(network).Select(layer => layer.Name), Is.EqualTo(new[] { "attn.to_q", "conv" }));
        Assert.That(LoraTargets.ByPattern(@"attn\..*").Select(network), Has.Count.EqualTo(2));
    }

    [Test]
    public void WhatMatchesNothingIsNamedWithSomeModules()
    {
        using var network = new TinyNetwork();
        Assert.Multiple(() =>
        {
            Refused(LoraTargets.ByPattern("to_q"), "'to_q'");
            Refused(LoraTargets.ByPattern("attn|time."), "'attn|time.'");
            Refused(LoraTargets.ByName("o_q"), "'o_q'");
            Refused(LoraTargets.ByName("to_q", "to_v"), "'to_v'");
            Refused(LoraVocabulary.Diffusers.AttentionQkvOut, "'to_k'");
        });

        void Refused(LoraTargets targets, string mentions) => Assert.That(() => targets.Select(network),
            Throws.ArgumentException.With.Message.Contains(mentions).And.Message.Contains("attn.to_out.0").And.Message.Contains("TinyNetwork"));
    }

    [Test]
    public void ABrokenPatternSaysSo() =>
        Assert.That(() => LoraTargets.ByPattern("(").Select(new TinyNetwork()), Throws.ArgumentException.With.Message.Contains("not a regular expression"));

    [Test]
    public void ShortestNamesSelectExactlyTheSame()
    {
        string[] all = ["a.to_q", "b.to_q", "a.to_out.0", "b.to_out.0", "a.conv", "b.conv", "conv"];
        Assert.That(LoraTargets.ShortestNames(["a.to_q", "b.to_q", "a.to_out.0", "b.conv"], all), Is.EqualTo(new[] { "a.to_out.0", "b.conv", "to_q" }));
        Assert.That(LoraTargets.ShortestNames(["conv"], all), Is.Null, "a list cannot say it: a.conv ends with it");
    }
}
