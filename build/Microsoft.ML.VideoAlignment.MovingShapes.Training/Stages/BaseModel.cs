using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>The denoiser and its text encoder, trained together as one network.</summary>
internal sealed class BaseModel : nn.Module
{
    [ComponentName(Name = "unet")]
    private readonly ModelScopeUNet _unet;

    [ComponentName(Name = "text_encoder")]
    private readonly ClipTextEncoder _text;

    public BaseModel()
        : base(nameof(BaseModel))
    {
        _unet = new ModelScopeUNet(UNetConfig, Placement.Cpu);
        _text = new ClipTextEncoder(TextConfig, withProjection: false, Placement.Cpu);
        RegisterComponents();
    }

    public static ModelScopeUNetConfig UNetConfig { get; } = new()
    {
        DownBlockTypes = ["DownBlock3D", "CrossAttnDownBlock3D"],
        UpBlockTypes = ["CrossAttnUpBlock3D", "UpBlock3D"],
        BlockOutChannels = [32, 64],
        LayersPerBlock = 1,
        NormGroups = 8,
        CrossAttentionWidth = 64,
        HeadSize = 8,
    };

    public static ClipTextConfig TextConfig { get; } = new()
    {
        VocabSize = 623,
        HiddenSize = 64,
        IntermediateSize = 256,
        NumHiddenLayers = 2,
        NumAttentionHeads = 4,
        MaxPositionEmbeddings = 20,
        HiddenAct = "gelu",
        ProjectionDim = 64,
        EosTokenId = 622,
    };

    /// <summary>
    /// The scheduler's file: the network predicts v and the schedule ends in pure noise (what ships), or it predicts the noise on the plain schedule.
    /// </summary>
    public static JsonElement SchedulerConfig(bool velocity) => JsonSerializer.SerializeToElement(new Dictionary<string, object?>
    {
        ["_class_name"] = "DDIMScheduler",
        ["_diffusers_version"] = "0.35.0",
        ["beta_end"] = 0.012,
        ["beta_schedule"] = "scaled_linear",
        ["beta_start"] = 0.00085,
        ["clip_sample"] = false,
        ["clip_sample_range"] = 1.0,
        ["dynamic_thresholding_ratio"] = 0.995,
        ["num_train_timesteps"] = 1000,
        ["prediction_type"] = velocity ? "v_prediction" : "epsilon",
        ["rescale_betas_zero_snr"] = velocity,
        ["sample_max_value"] = 1.0,
        ["set_alpha_to_one"] = true,
        ["steps_offset"] = 0,
        ["thresholding"] = false,
        ["timestep_spacing"] = "trailing",
        ["trained_betas"] = null,
    }, ShipStage.Indented);

    public ModelScopeUNet UNet => _unet;

    public ClipTextEncoder Text => _text;

    /// <summary>sample: [B, 4, 8, 8, 8]; timestep: [B]; ids: [B, 20] -> the noise or v, of the sample's shape.</summary>
    public Tensor Forward(Tensor sample, Tensor timestep, Tensor ids)
    {
        using DisposeScope scope = NewDisposeScope();
        return _unet.Forward(sample, timestep, _text.forward(ids)).MoveToOuterDisposeScope();
    }

    /// <summary>Replaces the text encoder by the text half of a CLIP of the same sizes.</summary>
    public void TakeText(ClipModel clip)
    {
        using IDisposable guard = no_grad();
        foreach ((string name, Parameter parameter) in _text.named_parameters())
        {
            parameter.copy_(clip.get_parameter(name)!);
        }
    }

    /// <summary>torch's defaults, transformers' for the text; the last convolution and the last of every temporal block begin at zero.</summary>
    public void Initialize(Generator generator) => Initializer.Fill(this, generator, (name, parameter) =>
    {
        if (name.StartsWith("text_encoder.", StringComparison.Ordinal))
        {
            return ClipInitializer.Fill(name, parameter, TextConfig.HiddenSize, TextConfig.NumHiddenLayers, generator);
        }

        bool last = name.StartsWith("unet.conv_out.", StringComparison.Ordinal) || name.Contains(".conv4.3.", StringComparison.Ordinal);
        if (last)
        {
            parameter.zero_();
        }

        return last;
    });
}
