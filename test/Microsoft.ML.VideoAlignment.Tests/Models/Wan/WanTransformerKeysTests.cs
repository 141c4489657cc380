using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

public class WanTransformerKeysTests
{
    private static readonly WanTransformerConfig s_text = new() { Heads = 2, HeadSize = 6, Depth = 2, TextWidth = 5, FrequencyWidth = 4, FeedForwardWidth = 7 };
    private static readonly WanTransformerConfig s_images = s_text with { InChannels = 36, ImageWidth = 3, AddedKeyWidth = 12, ImagePositions = 4 };

    [TestCase("patch_embedding.weight", "patch_embedding.weight")]
    [TestCase("head.head.bias", "proj_out.bias")]
    [TestCase("head.modulation", "scale_shift_table")]
    [TestCase("time_projection.1.weight", "condition_embedder.time_proj.weight")]
    [TestCase("img_emb.emb_pos", "condition_embedder.image_embedder.pos_embed")]
    [TestCase("img_emb.proj.4.weight", "condition_embedder.image_embedder.norm2.weight")]
    [TestCase("blocks.12.modulation", "blocks.12.scale_shift_table")]
    [TestCase("blocks.3.norm3.bias", "blocks.3.norm2.bias")]
    [TestCase("blocks.0.self_attn.norm_q.weight", "blocks.0.attn1.norm_q.weight")]
    [TestCase("blocks.0.self_attn.o.weight", "blocks.0.attn1.to_out.0.weight")]
    [TestCase("blocks.0.cross_attn.k_img.weight", "blocks.0.attn2.add_k_proj.weight")]
    [TestCase("blocks.0.cross_attn.norm_k_img.weight", "blocks.0.attn2.norm_added_k.weight")]
    [TestCase("blocks.0.ffn.2.weight", "blocks.0.ffn.net.2.weight")]
    public void ANameIsMappedBothWays(string original, string diffusers)
    {
        Assert.That(WanTransformerKeys.ToDiffusers(original), Is.EqualTo(diffusers));
        Assert.That(WanTransformerKeys.ToDiffusers($"model.diffusion_model.{original}"), Is.EqualTo(diffusers));
        Assert.That(WanTransformerKeys.ToDiffusers(diffusers), Is.EqualTo(diffusers));
        Assert.That(WanTransformerKeys.ToOriginal(diffusers), Is.EqualTo(original));
    }

    [Test]
    public void EveryKeyOfTheNetworkComesBackFromItsOriginalName()
    {
        using var network = new WanTransformer(s_images, Placement.Meta);
        string[] keys = [.. network.state_dict().Keys];
        string[] names = [.. keys.Select(WanTransformerKeys.ToOriginal)];
        Assert.That(names, Is.Unique);
        Assert.That(names.Where(name => name.Contains("attn1", StringComparison.Ordinal) || name.Contains("condition_embedder", StringComparison.Ordinal)),
            Is.Empty);
        Assert.That(names.Select(WanTransformerKeys.ToDiffusers), Is.EqualTo(keys));
    }

    [TestCase("")]
    [TestCase("model.diffusion_model.")]
    public void WeightsUnderOriginalNamesGiveTheSameNetwork(string prefix)
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using WanTransformer network = Ramp.Fill(new WanTransformer(s_images, Placement.Cpu));
        string path = folder.Path("diffusion_pytorch_model.safetensors");
        SafetensorsWriter.Write(path, network.state_dict().ToDictionary(pair => prefix + WanTransformerKeys.ToOriginal(pair.Key), pair => pair.Value));
        using IWeightSource file = WeightFile.Open(path);
        using WanTransformer read = WeightLoader.Fill(new WanTransformer(s_images, Placement.Cpu), file, map: WanTransformerKeys.Map);
        Dictionary<string, Tensor> values = network.state_dict();
        Assert.That(read.state_dict().All(pair => pair.Value.equal(values[pair.Key]).all().item<bool>()));
    }

    [Test]
    public void WhatDoesNotFitIsRefusedByName()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Problem(s_text with { InChannels = 36 }, s_text), Does.Contain("patch_embedding.weight").And.Contain("36").And.Contain("16"),
                "image-to-video weights as text to video");
            Assert.That(Problem(s_images with { InChannels = 16 }, s_text), Does.Contain("k_img").And.Contain("img_emb"), "an image branch too many");
            Assert.That(Problem(s_text with { InChannels = 36 }, s_images), Does.Contain("add_k_proj"), "no image branch");
            Assert.That(Problem(s_text with { NormsCrossAttention = false }, s_text), Does.Contain("blocks.0.norm2.weight"), "no norm before the text");
            Assert.That(Problem(s_text, s_text with { Depth = 1 }), Does.Contain("blocks.1."), "a block too many");
            Assert.That(Problem(s_images with { ImagePositions = null }, s_images), Does.Contain("pos_embed"), "one image as two");
            Assert.That(Problem(s_text, s_text), Is.Empty);
            Assert.That(Problem(s_text, s_text, "blocks.0.attn2.norm_added_q.weight"), Is.Empty, "a norm that early conversions hold and nothing reads");
            Assert.That(Problem(s_text, s_text, "blocks.0.norm4.weight"), Does.Contain("blocks.0.norm4.weight"));
        }
    }

    private static string Problem(WanTransformerConfig file, WanTransformerConfig network, params string[] more)
    {
        using var from = new WanTransformer(file, Placement.Meta);
        using var into = new WanTransformer(network, Placement.Meta);
        using Tensor one = empty([12], device: META);
        using var source = new MemoryWeights(
        [
            .. from.state_dict().Select(pair => (WanTransformerKeys.ToOriginal(pair.Key), pair.Value)), .. more.Select(name => (name, one)),
        ]);
        return WeightLoader.Compare(into, source, map: WanTransformerKeys.Map).Problem;
    }
}
