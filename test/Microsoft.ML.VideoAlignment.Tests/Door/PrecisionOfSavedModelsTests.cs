using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A saved transformer makes the videos that it made before, in the precision of its run.</summary>
public class PrecisionOfSavedModelsTests
{
    private readonly DoorRig _rig = new();

    private VideoDiffusionModel _model = null!;
    private VideoReward _reward = null!;

    [OneTimeSetUp]
    public void Load() => (_model, _reward) = (TinyModel.Load(), TinyModel.Redness());

    [OneTimeTearDown]
    public void Free()
    {
        _model.Dispose();
        _reward.Dispose();
    }

    [Test]
    public void VideosAreTheSameAfterLoading([Values] ComputePrecision precision)
    {
        using VideoAlignmentTransformer fitted = Fit(new() { Precision = precision });
        float[][] before = Videos(fitted);
        byte[] zip = Save(fitted);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Videos(Load(zip)), Is.EqualTo(before));
            Assert.That(Videos(Load(Save(Load(zip)))), Is.EqualTo(before), "saved again");
            Assert.That(Videos(Load(WithoutPrecision(zip))).Zip(before).All(pair => pair.First.SequenceEqual(pair.Second)),
                Is.EqualTo(precision == ComputePrecision.Float32), "a file of a version that did not write it is computed as is usual on the CPU");
        }
    }

    [Test]
    public void ViewsOfALoadedModelKeepIt()
    {
        using VideoAlignmentTransformer fitted = Fit(new() { Precision = ComputePrecision.BFloat16 });
        using VideoAlignmentTransformer loaded = Load(Save(fitted));
        using VideoAlignmentTransformer one = fitted.WithoutAlignment("Base"), other = loaded.WithoutAlignment("Base");
        Assert.That(Videos(other), Is.EqualTo(Videos(one)));
    }

    /// <summary>On the CPU a GPU's half precision would be hundreds of times slower.</summary>
    [Test]
    public void WhatAGpuComputedInHalfPrecisionIsFloat32OnTheCpu()
    {
        using VideoAlignmentTransformer fitted = Fit(new());
        byte[] zip = Change(Save(fitted), settings =>
        {
            settings["precision"]!["denoiser"] = "BFloat16";
            settings["precision"]!["device"] = "cuda";
        });
        var said = new List<string>();
        MLContext context = _rig.Loading(_ => _model);
        context.Log += (_, entry) => said.Add(entry.RawMessage);
        using var loaded = (VideoAlignmentTransformer)SavedZip.Load(context, zip);
        Assert.That(said, Has.Some.Contains("trained in BFloat16, decoder Float32, reward Float32 on a GPU; on the CPU its videos are computed in Float32"));
        Assert.That(Videos(loaded), Is.EqualTo(Videos(fitted)));
        Assert.That(Encoding.UTF8.GetString(Settings(Save(loaded))), Does.Contain("\"cuda\""), "a GPU computes in it again");
    }

    [Test]
    public void AHostileValueIsRefused()
    {
        using VideoAlignmentTransformer fitted = Fit(new());
        byte[] zip = Change(Save(fitted), settings => settings["precision"]!["denoiser"] = 7);
        Assert.That(SavedZip.Refusal(_rig.Loading(_ => _model), zip), Does.Contain("settings are damaged: the precision 7 is not one of Float32"));
    }

    [Test]
    public void TheLogSaysWhatARunComputesIn()
    {
        List<(Runtime.ChannelMessageKind Kind, string Text)> log = _rig.Listen();
        using VideoAlignmentTransformer fitted = Fit(new() { Precision = ComputePrecision.BFloat16, DecoderPrecision = ComputePrecision.Float32 });
        Assert.That(log.Select(message => message.Text), Has.Some.Contains("computing in BFloat16, decoder Float32, LoRA rank 2"));
    }

    private VideoAlignmentTransformer Fit(MemoryOptions memory) => _rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", _model, _reward, new()
    {
        Sampling = new() { Frames = 3, Height = 16, Width = 16, Steps = 2 },
        Lora = new() { Rank = 2 },
        Optimizer = new() { Steps = 1 },
        Memory = memory,
    }).Fit(_rig.Table("a red circle"));

    private VideoAlignmentTransformer Load(byte[] zip) => (VideoAlignmentTransformer)SavedZip.Load(_rig.Loading(_ => _model), zip);

    private float[][] Videos(VideoAlignmentTransformer transformer) =>
        [.. transformer.Transform(_rig.Table("a red circle")).GetColumn<float[]>(transformer.GetOutputSchema(_rig.Table("a").Schema)[^1].Name)];

    private byte[] Save(VideoAlignmentTransformer transformer)
    {
        using var zip = new MemoryStream();
        _rig.Context.Model.Save(transformer, _rig.Prompts.Schema, zip);
        return zip.ToArray();
    }

    private static byte[] WithoutPrecision(byte[] zip) => Change(zip, settings => settings.AsObject().Remove("precision"));

    private static byte[] Change(byte[] zip, Action<JsonNode> change) => SavedZip.Change(zip, (name, content) =>
    {
        if (name != "settings.json")
        {
            return content;
        }

        JsonNode settings = JsonNode.Parse(content)!;
        change(settings);
        return Encoding.UTF8.GetBytes(settings.ToJsonString());
    });

    private static byte[] Settings(byte[] zip)
    {
        byte[] found = [];
        SavedZip.Change(zip, (name, content) => name == "settings.json" ? found = content : content);
        return found;
    }
}
