using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Conv2d = Microsoft.ML.VideoAlignment.Layers.Conv2d;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>One layer of every kind that carries adapters, filled with ramps: attn.to_q, attn.to_out.0, conv (3x3), time (temporal).</summary>
internal sealed class TinyNetwork : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "attn")]
    private readonly Attention _attention;

    [ComponentName(Name = "conv")]
    private readonly Conv2d _conv;

    [ComponentName(Name = "time")]
    private readonly TemporalConv3d _time;

    public TinyNetwork(ScalarType dtype = ScalarType.Float32)
        : base(nameof(TinyNetwork))
    {
        var placement = new Placement(CPU, dtype);
        _attention = new Attention(placement);
        _conv = new Conv2d(4, 8, 3, placement, padding: 1);
        _time = new TemporalConv3d(8, 4, 3, placement);
        RegisterComponents();
        using IDisposable guard = no_grad();
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in named_parameters())
        {
            using DisposeScope scope = NewDisposeScope();
            parameter.copy_(linspace(-0.3, 0.4, parameter.numel()).reshape(parameter.shape));
        }
    }

    /// <summary>[2 frames, 6 rows, 6 features].</summary>
    public static Tensor Input() => linspace(-1, 1, 72).reshape(2, 6, 6);

    public float[] Run()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        return forward(Input()).contiguous().data<float>().ToArray();
    }

    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = _attention.forward(x).permute(0, 2, 1).unsqueeze(-1); // [T, 4, 6, 1]
        Tensor clip = _conv.forward(image).permute(1, 0, 2, 3).flatten(2).unsqueeze(0); // [1, 8, T, 6]
        return _time.forward(clip).MoveToOuterDisposeScope();
    }

    private sealed class Attention : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "to_q")]
        private readonly Linear _query;

        [ComponentName(Name = "to_out")]
        private readonly TorchSharp.Modules.ModuleList<Linear> _out;

        public Attention(Placement placement)
            : base(nameof(Attention))
        {
            _query = new Linear(6, 6, placement);
            _out = [new Linear(6, 4, placement, bias: false)];
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => _out[0].forward(_query.forward(x));
    }
}
