using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>What the network is told, at its width: the diffusion time, the text and, where it has a branch for it, the image.</summary>
/// <remarks>
/// Reference: diffusers, <c>WanTimeTextImageEmbedding</c>, whose keys it has: <c>time_embedder</c>, <c>time_proj</c>, <c>text_embedder</c>,
/// <c>image_embedder</c>.
/// </remarks>
internal sealed class WanConditionEmbedder : nn.Module
{
    [ComponentName(Name = "time_embedder")]
    private readonly TimestepEmbedding _time;

    [ComponentName(Name = "time_proj")]
    private readonly Linear _timeProjection;

    [ComponentName(Name = "text_embedder")]
    private readonly TextProjection _text;

    [ComponentName(Name = "image_embedder")]
    private readonly WanImageEmbedder? _image;

    private readonly long _frequencies;

    public WanConditionEmbedder(WanTransformerConfig config, Placement placement)
        : base(nameof(WanConditionEmbedder))
    {
        _time = new TimestepEmbedding(config.FrequencyWidth, config.Width, "silu", placement.Wide);
        _timeProjection = new Linear(config.Width, 6 * config.Width, placement);
        _text = new TextProjection(config.TextWidth, config.Width, placement);
        _image = config.HasImageBranch ? new WanImageEmbedder(config, placement) : null;
        _frequencies = config.FrequencyWidth;
        RegisterComponents();
    }

    /// <summary>Embeds timesteps, in float32 up to the result.</summary>
    /// <param name="timesteps">[R, F], whole or fractional.</param>
    /// <param name="dtype">Type of the result.</param>
    /// <returns>[R, F, D].</returns>
    public Tensor EmbedTime(Tensor timesteps, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor sinusoid = TimestepEmbedding.Sinusoid(timesteps.flatten(), _frequencies, cosinesFirst: true, frequencyShift: 0);
        Tensor embedded = PrecisionPolicy.RunInFloat32(() => _time.forward(sinusoid));
        return embedded.view(timesteps.shape[0], timesteps.shape[1], -1).to_type(dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Projects the embedded time to the six modulations of a block.</summary>
    /// <param name="time">[R, F, D].</param>
    /// <returns>[R, F, 6 D].</returns>
    public Tensor ProjectTime(Tensor time)
    {
        using Tensor active = nn.functional.silu(time);
        return _timeProjection.forward(active);
    }

    /// <summary>Embeds the text encoder's states; a row of zeros becomes what the layers make of it.</summary>
    /// <param name="states">[B, L, E].</param>
    /// <returns>[B, L, D].</returns>
    public Tensor EmbedText(Tensor states) => _text.forward(states);

    /// <summary>Embeds the image encoder's states; see <see cref="WanImageEmbedder.Forward"/>.</summary>
    /// <param name="states">[B, n, E], or [2 B, n, E].</param>
    /// <param name="batch">B.</param>
    /// <returns>[B, n or 2n, D].</returns>
    public Tensor EmbedImage(Tensor states, long batch) => _image!.Forward(states, batch);

    // Linear, GELU by tanh, Linear. Reference: diffusers, PixArtAlphaTextProjection.
    private sealed class TextProjection : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "linear_1")]
        private readonly Linear _linear1;

        [ComponentName(Name = "linear_2")]
        private readonly Linear _linear2;

        public TextProjection(long textWidth, long width, Placement placement)
            : base(nameof(TextProjection))
        {
            _linear1 = new Linear(textWidth, width, placement);
            _linear2 = new Linear(width, width, placement);
            RegisterComponents();
        }

        public override Tensor forward(Tensor states)
        {
            using Tensor wide = _linear1.forward(states);
            using Tensor active = Activation.GeluTanh.Apply(wide);
            return _linear2.forward(active);
        }
    }
}
