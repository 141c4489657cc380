using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>The towers of an OpenCLIP to load; only their values are read from a file.</summary>
[Flags]
internal enum OpenClipHalves
{
    Vision = 1,
    Text = 2,
    Both = Vision | Text,
}

/// <summary>OpenCLIP's CLIP, whole or one tower of it. With both towers it also has the temperature <c>logit_scale</c> [].</summary>
internal sealed class OpenClipModel : nn.Module
{
    [ComponentName(Name = "visual")]
    private readonly OpenClipVisionTower? _vision;

    [ComponentName(Name = "text")]
    private readonly OpenClipTextTower? _text;

    [ComponentName(Name = "logit_scale")]
    private readonly Parameter? _logitScale;

    public OpenClipModel(OpenClipConfig config, OpenClipHalves halves, Placement placement)
        : base(nameof(OpenClipModel))
    {
        Config = config;
        _vision = halves.HasFlag(OpenClipHalves.Vision) ? new OpenClipVisionTower(config.Vision!, config.EmbedDim, placement) : null;
        _text = halves.HasFlag(OpenClipHalves.Text) ? new OpenClipTextTower(config.Text!, config.EmbedDim, placement) : null;
        _logitScale = halves == OpenClipHalves.Both ? placement.Parameter() : null;
        RegisterComponents();
    }

    public OpenClipConfig Config { get; }

    /// <summary>The image tower.</summary>
    /// <exception cref="InvalidOperationException">The model was made without this tower.</exception>
    public OpenClipVisionTower Vision => _vision ?? throw new InvalidOperationException("This OpenCLIP was made without its image tower.");

    /// <summary>The text tower.</summary>
    /// <exception cref="InvalidOperationException">The model was made without this tower.</exception>
    public OpenClipTextTower Text => _text ?? throw new InvalidOperationException("This OpenCLIP was made without its text tower.");

    /// <summary>The logarithm of the temperature, a tensor without axes, owned by the model.</summary>
    /// <exception cref="InvalidOperationException">The model was made of one tower.</exception>
    public Tensor LogitScale => _logitScale ?? throw new InvalidOperationException("This OpenCLIP was made of one tower, which has no temperature.");

    /// <summary>Makes a model from named tensors; values of a tower that is not loaded are not read.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="halves">The towers to load.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="prefix">The start of the names in the file, such as "cond_stage_model.model.".</param>
    public static OpenClipModel FromSource(IWeightSource source, OpenClipConfig config, OpenClipHalves halves, Placement placement, string prefix = "") =>
        WeightLoader.Fill(new OpenClipModel(config, halves, placement), source, prefix, CreateKeyMap(halves));

    /// <summary>Makes the map of open_clip's names to keys; names of a tower that is not loaded map to null.</summary>
    /// <param name="halves">The towers to load.</param>
    public static KeyMap CreateKeyMap(OpenClipHalves halves) => new()
    {
        Aliases =
        [
            ("transformer.resblocks.", "encoder.layers."),
            (".ln_1.", ".layer_norm1."),
            (".ln_2.", ".layer_norm2."),
            (".attn.in_proj_", ".self_attn.qkv_proj."),
            (".attn.out_proj.", ".self_attn.out_proj."),
            (".mlp.c_fc.", ".mlp.fc1."),
            (".mlp.c_proj.", ".mlp.fc2."),
        ],
        Rename = name =>
            name == "logit_scale" ? halves == OpenClipHalves.Both ? name : null
            : name.StartsWith("visual.", StringComparison.Ordinal) ? halves.HasFlag(OpenClipHalves.Vision) ? name : null
            : halves.HasFlag(OpenClipHalves.Text) ? $"text.{name}" : null,
    };
}
