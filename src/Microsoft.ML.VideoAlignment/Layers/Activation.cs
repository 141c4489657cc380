namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>An activation function by the name a config.json gives it.</summary>
internal sealed class Activation
{
    private readonly Func<Tensor, Tensor> _function;

    private Activation(Func<Tensor, Tensor> function, bool isSilu = false) => (_function, IsSilu) = (function, isSilu);

    /// <summary>Whether norms may apply it in their own pass.</summary>
    public bool IsSilu { get; }

    /// <summary>silu (= swish), mish, gelu (exact, by erf) or relu.</summary>
    /// <exception cref="NotSupportedException">The name is none of these.</exception>
    public static Activation ByName(string name) => name switch
    {
        "silu" or "swish" => Silu,
        "mish" => new Activation(x => nn.functional.mish(x)),
        "gelu" => new Activation(x => nn.functional.gelu(x)),
        "relu" => new Activation(x => nn.functional.relu(x)),
        _ => throw new NotSupportedException($"act_fn: expected silu, swish, mish, gelu or relu, got '{name}'."),
    };

    public static Activation Silu { get; } = new(x => nn.functional.silu(x), isSilu: true);

    public Tensor Apply(Tensor x) => _function(x);
}
