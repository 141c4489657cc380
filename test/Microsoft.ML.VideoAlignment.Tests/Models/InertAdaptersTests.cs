using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// What the networks call inert is what carries no gradient, and nothing else: found numerically in float64, where rounding noise lies at 1e-16 of the largest
/// gradient and what is real lies above 1e-12 for every adapter (seen: 1e-8 and more), so that no processor can blur the two.
/// </summary>
[NonParallelizable]
public class InertAdaptersTests
{
    private static readonly ModelScopeUNetConfig s_modelScope = new()
    {
        BlockOutChannels = [8, 16],
        DownBlockTypes = ["CrossAttnDownBlock3D", "CrossAttnDownBlock3D"],
        UpBlockTypes = ["CrossAttnUpBlock3D", "CrossAttnUpBlock3D"],
        LayersPerBlock = 1,
        NormGroups = 2,
        CrossAttentionWidth = 6,
        HeadSize = 4,
    };

    private static readonly VideoCrafterUNetConfig s_videoCrafter = new()
    {
        InChannels = 4,
        OutChannels = 4,
        ModelChannels = 32,
        ChannelMultipliers = [1, 2],
        ResBlocks = 1,
        AttentionResolutions = [1, 2],
        HeadSize = 16,
        ContextWidth = 6,
        UseLinear = true,
        TemporalConvolution = true,
        AdditionAttention = true,
        FpsCondition = true,
    };

    private static readonly StableVideoDiffusionUNetConfig s_stableVideo = new()
    {
        BlockOutChannels = [32, 64],
        DownAttention = [true, true],
        UpAttention = [true, true],
        LayersPerBlock = [1, 1],
        TransformerLayers = [1, 1],
        CrossAttentionWidth = [6, 6],
        Heads = [4, 4],
        AdditionTimeEmbedDim = 4,
        AdditionWidth = 12,
        Frames = 3,
    };

    private static readonly STDiT3Config s_openSora = new() { HiddenSize = 16, Depth = 1, Heads = 2, CaptionChannels = 6, MaxTokens = 5 };

    // frames, height, width, tokens; names of which some are inert, and of which none is
    [TestCase(2, 4, 4, 3, "", "to_q")]
    [TestCase(1, 4, 4, 3, "temp_attentions*to_q temp_attentions*to_k transformer_in*to_q", "*.attentions*to_q")]
    [TestCase(2, 2, 2, 3, "mid_block.attentions*attn1.to_q mid_block.attentions*attn1.to_k", "down_blocks.0.attentions*attn1.to_q")]
    [TestCase(2, 4, 4, 1, "*.attentions*attn2.to_q *.attentions*attn2.to_k", "*.attentions*attn1.to_q")]
    [TestCase(1, 2, 2, 1, "temp_attentions*to_q attn2.to_k", "to_v")]
    public void OfModelScope(int frames, int height, int width, int tokens, string some, string none) =>
        Check(ModelScope(s_modelScope), [1, 4, frames, height, width], tokens, some, none);

    /// <summary>As many groups as channels at the first level, or at both: there the norm takes the time away, and with it the whole embedding.</summary>
    [TestCase(8, 8, 2, 4, "time_emb_proj time_embedding.linear_1 time_embedding.linear_2", "conv1")]
    [TestCase(8, 16, 2, 4, "down_blocks.0*time_emb_proj", "down_blocks.1*time_emb_proj time_embedding")]
    [TestCase(
        8, 8, 1, 2, "mid_block.resnets.0.conv1 mid_block.temp_convs.0.conv1.2 mid_block.temp_convs.0.conv3.3", "mid_block.resnets.0.conv2 temp_convs.0.conv4")]
    public void OfModelScopeWithAGroupForEachChannel(int first, int second, int frames, int size, string some, string none) =>
        Check(ModelScope(s_modelScope with { BlockOutChannels = [first, second], NormGroups = 8 }), [1, 4, frames, size, size], 3, some, none);

    [TestCase(2, 4, 4, 3, null, "input_blocks.1*time_emb_proj", "to_q to_k middle_block*time_emb_proj time_embed fps_embedding")]
    [TestCase(1, 4, 4, 3, null, "init_attn*to_q middle_block.2*attn1.to_k", "middle_block.1*to_q")]
    [TestCase(1, 4, 4, 3, 2L, "init_attn*to_q middle_block.2*attn1.to_k", "middle_block.1*to_q")]
    [TestCase(2, 4, 2, 1, null, "middle_block.1*attn2.to_q", "init_attn*to_q")]
    public void OfVideoCrafter(int frames, int height, int width, int tokens, long? relative, string some, string none) =>
        Check(VideoCrafter(s_videoCrafter with { RelativePositions = relative }), [1, 4, frames, height, width], tokens, some, none);

    [TestCase(2, 2)]
    public void OfVideoCrafterOfOneWidth(int frames, int size) => Check(
        VideoCrafter(s_videoCrafter with { ChannelMultipliers = [1, 1] }), [1, 4, frames, 2 * size, 2 * size], 3,
        "time_emb_proj time_embed.linear_1 fps_embedding.linear_2", "conv1");

    [TestCase(
        2, 4, 1, "attn2.to_q attn2.to_k down_blocks.0*spatial_res_block.time_emb_proj down_blocks.0*temporal_res_block.time_emb_proj",
        "attn1 attn2.to_v add_embedding time_pos_embed")]
    [TestCase(1, 4, 1, "temporal_transformer_blocks*attn1.to_q", "*.transformer_blocks*attn1.to_q")]
    [TestCase(2, 4, 2, "down_blocks.0*time_emb_proj", "attn2.to_q attn2.to_k")]
    public void OfStableVideo(int frames, int size, int tokens, string some, string none) =>
        Check(StableVideo(s_stableVideo), [1, 8, frames, size, size], tokens, some, none);

    [TestCase(2)]
    public void OfStableVideoOfOneWidth(int frames) => Check(
        StableVideo(s_stableVideo with { BlockOutChannels = [32, 32] }), [1, 8, frames, 4, 4], 1,
        "time_emb_proj add_embedding.linear_1 time_embedding.linear_2", "time_pos_embed");

    /// <summary>Queries, keys and values share a projection, which the values keep alive.</summary>
    [TestCase(2, 4, 3, "", "q_linear")]
    [TestCase(1, 2, 3, "", "q_linear qkv")]
    [TestCase(2, 4, 1, "q_linear", "kv_linear qkv")]
    public void OfOpenSora(int frames, int size, int tokens, string some, string none) => Check(OpenSora(), [1, 4, frames, size, size], tokens, some, none);

    private static (nn.Module, Func<Tensor, int, Tensor>) ModelScope(ModelScopeUNetConfig config)
    {
        var network = new ModelScopeUNet(config, Placement.Cpu);
        return (network, (x, tokens) => network.Forward(x, 500, Text(tokens)));
    }

    private static (nn.Module, Func<Tensor, int, Tensor>) VideoCrafter(VideoCrafterUNetConfig config)
    {
        var network = new VideoCrafterUNet(config, Placement.Cpu);
        return (network, (x, tokens) => network.Forward(x, tensor([500.0]), Text(tokens), tensor([8L])));
    }

    private static (nn.Module, Func<Tensor, int, Tensor>) StableVideo(StableVideoDiffusionUNetConfig config)
    {
        var network = new StableVideoDiffusionUNet(config, Placement.Cpu);
        return (network, (x, tokens) => network.Forward(x, 0.5, Text(tokens), tensor(new[,] { { 6, 127, 0.02 } })));
    }

    private static (nn.Module, Func<Tensor, int, Tensor>) OpenSora()
    {
        var network = new STDiT3(s_openSora, Placement.Cpu);
        return (network, (x, tokens) => network.Forward(x, tensor([500.0]), Text(tokens), textMask: null, frameMask: null, tensor([24.0]), 32, 32));
    }

    private static Tensor Text(int tokens) => Ramp.Values(2, 1, tokens, 6).to_type(ScalarType.Float64);

    private static void Check((nn.Module Network, Func<Tensor, int, Tensor> Forward) family, long[] shape, int tokens, string some, string none)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module network = Ramp.Fill(family.Network);
        network.to(ScalarType.Float64);
        using var generator = new Generator(1);
        using LoraAdapters adapters = LoraAdapters.Attach(network, LoraTargets.AllLayers, rank: 2, alpha: 0.2, generator);
        using (no_grad())
        {
            foreach (AdaptedLayer layer in adapters.Layers)
            {
                layer.Adapter.Up.copy_(randn(layer.Adapter.Up.shape, dtype: ScalarType.Float64, generator: generator));
            }
        }

        Tensor y = family.Forward(randn(shape, dtype: ScalarType.Float64, generator: generator), tokens);
        (y * randn(y.shape, dtype: ScalarType.Float64, generator: generator)).sum().backward();

        Dictionary<string, double> sizes = adapters.Layers.ToDictionary(
            layer => layer.Name, layer => Math.Max(Size(layer.Adapter.Down), Size(layer.Adapter.Up)), StringComparer.Ordinal);
        IReadOnlySet<string> inert = adapters.Layers.Where(layer => layer.Layer.Slot.IsInert).Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        double largest = sizes.Values.Max();
        Assert.Multiple(() =>
        {
            foreach ((string name, double size) in sizes)
            {
                Assert.That(size, inert.Contains(name) ? Is.Zero : Is.GreaterThan(1e-12 * largest), name);
            }

            foreach (string pattern in some.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                Assert.That(Matching(pattern), Has.Some.Matches<string>(name => inert.Contains(name!)), pattern);
            }

            foreach (string pattern in none.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                Assert.That(Matching(pattern), Is.Not.Empty.And.None.Matches<string>(name => inert.Contains(name!)), pattern);
            }
        });

        string[] Matching(string pattern) => [.. sizes.Keys.Where(name => pattern.Split('*').Aggregate(
            0, (at, part) => at < 0 || name.IndexOf(part, at, StringComparison.Ordinal) is not (>= 0 and var found) ? -1 : found + part.Length) >= 0)];
    }

    private static double Size(Tensor factor) => factor.grad is { } gradient ? gradient.abs().max().ToDouble() : 0;
}
