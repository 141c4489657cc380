using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models.Wan;

namespace Microsoft.ML.VideoAlignment.Tests;

public class WanTransformerConfigTests
{
    [TestCase("""{"_class_name": "WanVACETransformer3DModel"}""", "WanVACETransformer3DModel")]
    [TestCase("""{"_class_name": "WanModel"}""", "WanModel")]
    [TestCase("""{"qk_norm": true}""", "qk_norm")]
    [TestCase("""{"patch_size": [2, 2]}""", "patch_size")]
    [TestCase("""{"patch_size": [1, 0, 2]}""", "patch_size")]
    [TestCase("""{"patch_size": [16777216, 16777216, 16777216]}""", "patch_size")]
    [TestCase("""{"num_attention_heads": 0}""", "num_attention_heads")]
    [TestCase("""{"num_attention_heads": 16777216}""", "num_attention_heads")]
    [TestCase("""{"attention_head_dim": 13}""", "attention_head_dim")]
    [TestCase("""{"in_channels": "16"}""", "in_channels")]
    [TestCase("""{"out_channels": 0}""", "out_channels")]
    [TestCase("""{"text_dim": -1}""", "text_dim")]
    [TestCase("""{"freq_dim": 1}""", "freq_dim")]
    [TestCase("""{"ffn_dim": 1.5}""", "ffn_dim")]
    [TestCase("""{"num_layers": 1001}""", "num_layers")]
    [TestCase("""{"cross_attn_norm": 1}""", "cross_attn_norm")]
    [TestCase("""{"eps": 0}""", "eps")]
    [TestCase("""{"image_dim": 1280}""", "added_kv_proj_dim")]
    [TestCase("""{"image_dim": 0, "added_kv_proj_dim": 5120}""", "image_dim")]
    [TestCase("""{"added_kv_proj_dim": 5120}""", "added_kv_proj_dim")]
    [TestCase("""{"image_dim": 1280, "added_kv_proj_dim": 1280}""", "added_kv_proj_dim")]
    [TestCase("""{"pos_embed_seq_len": 514}""", "pos_embed_seq_len")]
    [TestCase("""{"image_dim": 1280, "added_kv_proj_dim": 5120, "pos_embed_seq_len": 257}""", "pos_embed_seq_len")]
    [TestCase("""{"rope_max_seq_len": 0}""", "rope_max_seq_len")]
    [TestCase("[]", "object")]
    public void ABadValueIsRefusedByName(string json, string named)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.That(
            () => WanTransformerConfig.FromJson(document.RootElement),
            Throws.Exception.With.Message.Contains(named).And.Message.Contains("expected"));
    }

    [Test]
    public void DefaultsAreTheReferencesAndAnOutputThatIsNullIsTheInput()
    {
        Assert.That(Read("{}"), Is.EqualTo(new WanTransformerConfig()));
        Assert.That(Read("""{"in_channels": 48}""").OutChannels, Is.EqualTo(16));
        Assert.That(Read("""{"in_channels": 48, "out_channels": null}""").OutChannels, Is.EqualTo(48));
        Assert.That(Read("""{"qk_norm": "layer_norm"}"""), Is.EqualTo(new WanTransformerConfig()), "the reference does not read it");
    }

    private static WanTransformerConfig Read(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return WanTransformerConfig.FromJson(document.RootElement);
    }
}
