using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>An activation function by the name a config.json gives it.</summary>
/// <remarks>gelu and quick_gelu differ by up to 1e-2, so a name that is not known is an error.</remarks>
internal sealed class Activation
{
    private const double QuickGeluSlope = 1.702;

    private readonly Func<Tensor, Tensor> _function;

    private Activation(Func<Tensor, Tensor> function, bool isSilu = false) => (_function, IsSilu) = (function, isSilu);

    public static Activation Silu { get; } = new(x => nn.functional.silu(x), isSilu: true);

    /// <summary>Exact, by erf.</summary>
    public static Activation Gelu { get; } = new(x => nn.functional.gelu(x));

    /// <summary>0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), up to 1e-4 from the exact one in outputs.</summary>
    public static Activation GeluTanh { get; } = new(x => nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh));

    public static Activation QuickGelu { get; } = new(ComputeQuickGelu);

    /// <summary>Whether norms may apply it in their own pass.</summary>
    public bool IsSilu { get; }

    /// <summary>Finds an activation.</summary>
    /// <param name="name">silu (= swish), mish, gelu (exact, by erf), gelu_new (by tanh, as gelu_pytorch_tanh), quick_gelu or relu.</param>
    /// <param name="key">The key in config.json, for the error.</param>
    /// <exception cref="InvalidDataException">The name is not one of these.</exception>
    public static Activation ByName(string name, string key = "act_fn") => name switch
    {
        "silu" or "swish" => Silu,
        "mish" => new Activation(x => nn.functional.mish(x)),
        "gelu" => Gelu,
        "gelu_new" or "gelu_pytorch_tanh" => GeluTanh,
        "quick_gelu" => QuickGelu,
        "relu" => new Activation(x => nn.functional.relu(x)),
        _ => throw new InvalidDataException(
            $"{key}: expected silu, swish, mish, gelu, gelu_new, quick_gelu or relu, got '{name}'. Is this config.json this model's?"),
    };

    /// <summary>Applies the function to each number.</summary>
    /// <param name="x">Any shape.</param>
    /// <returns>The shape of x.</returns>
    public Tensor Apply(Tensor x) => _function(x);

    // x sigmoid(1.702 x), written as silu(1.702 x) / 1.702: the same function, one tensor fewer to keep for the gradient.
    private static Tensor ComputeQuickGelu(Tensor x)
    {
        using Tensor steep = x.Mul(QuickGeluSlope);
        using Tensor gate = nn.functional.silu(steep);
        return gate.Div(QuickGeluSlope);
    }
}
