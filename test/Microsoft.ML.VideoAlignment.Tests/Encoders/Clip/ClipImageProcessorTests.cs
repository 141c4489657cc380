using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ClipImageProcessorTests
{
    [Test]
    public void AbsentKeysAreTheReferences() => Assert.That(Read("{}"), Is.EqualTo(new ClipImageProcessor()));

    [Test]
    public void SizesAreReadInBothSpellings()
    {
        var expected = new ClipImageProcessor { ShortSide = 40, Side = 32, Mean = (0.5f, 0.25f, 0.125f), Std = (1, 2, 4) };
        const string channels = """ "image_mean": [0.5, 0.25, 0.125], "image_std": [1, 2, 4] """;
        Assert.That(Read($$"""{"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, {{channels}}}"""), Is.EqualTo(expected));
        Assert.That(Read($$"""{"size": 40, "crop_size": 32, {{channels}}}"""), Is.EqualTo(expected));
    }

    [TestCase("""{"do_center_crop": false}""", "do_center_crop is false")]
    [TestCase("""{"size": 100}""", "at most the short side's 100 pixels, got 224")]
    [TestCase("""{"crop_size": {"height": 32, "width": 30}}""", "32 x 30")]
    [TestCase("""{"size": [224]}""", "size: expected a number of pixels")]
    [TestCase("""{"image_std": [1, 1]}""", "each of 3 channels, got 2")]
    public void WhatIsNotReadIsSaid(string json, string message) => Assert.That(() => Read(json), Throws.Exception.With.Message.Contains(message));

    [TestCase(8, 12)]
    [TestCase(14, 8)]
    public void TheShortSideIsFittedAndTheMiddleCutOut(int height, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        var processor = new ClipImageProcessor { ShortSide = 8, Side = 6 };
        Tensor image = (Ramp.Values(1, 2, 3, height, width) + 1) / 2;
        Tensor expected = UnitRange.Standardize(image.narrow(2, (height - 6) / 2, 6).narrow(3, (width - 6) / 2, 6), ClipPixels.Mean, ClipPixels.Std);
        Assert.That(processor.Apply(image).Equals(expected));
        Tensor large = image.repeat_interleave(2, 2).repeat_interleave(2, 3);
        Assert.That(processor.Apply(large).shape, Is.EqualTo(expected.shape));
        Tensor flat = processor.Apply(ones(1, 3, 2 * height, 2 * width)) - UnitRange.Standardize(ones(1, 3, 6, 6), ClipPixels.Mean, ClipPixels.Std);
        Assert.That(flat.abs().max().item<float>(), Is.LessThan(1e-5));
    }

    private static ClipImageProcessor Read(string json)
    {
        using var document = JsonDocument.Parse(json);
        return ClipImageProcessor.FromJson(document.RootElement);
    }
}
