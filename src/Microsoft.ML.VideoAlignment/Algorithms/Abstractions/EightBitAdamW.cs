using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// AdamW with moments in 8 bits (Dettmers et al. 2022, arXiv 2110.02861, section 2): they are dequantized to float32, updated, used, and quantized again.
/// </summary>
/// <remarks>
/// As in their implementation each moment has its own code book and blocks of 256. Unlike there, small tensors are quantized too, and of the second moment the
/// root is stored, so that it spans as many decades as the gradient does; a value above zero never becomes zero.
/// </remarks>
internal sealed class EightBitAdamW : IAdapterOptimizer
{
    private readonly List<Moments> _moments;
    private readonly OptimizerOptions _options;
    private BlockwiseQuantizer? _first;
    private BlockwiseQuantizer? _second;
    private int _steps;

    /// <summary>Begins at step 0 without moments.</summary>
    /// <param name="parameters">The parameters to train; one without a gradient is skipped.</param>
    /// <param name="options">Decays, epsilon and weight decay.</param>
    public EightBitAdamW(IReadOnlyList<Parameter> parameters, OptimizerOptions options) =>
        (_moments, _options) = ([.. parameters.Select(parameter => new Moments(parameter))], options);

    public long StateBytes => _moments.Sum(moments => moments.Bytes);

    public void Step(double learningRate)
    {
        using IDisposable guard = no_grad();
        _steps++;
        foreach (Moments moments in _moments)
        {
            using DisposeScope scope = NewDisposeScope();
            if (moments.Parameter.grad is { } gradient)
            {
                _first ??= BlockwiseQuantizer.SignedCodes(gradient.device);
                _second ??= BlockwiseQuantizer.PositiveCodes(gradient.device);
                Update(moments, gradient.flatten(), learningRate);
            }
        }
    }

    public void ZeroGrad()
    {
        foreach (Moments moments in _moments)
        {
            using Tensor? gradient = moments.Parameter.grad;
            gradient?.zero_();
        }
    }

    public void Save(StateWriter state)
    {
        state.Write("steps", _steps);
        foreach ((int index, Moments moments) in _moments.Index())
        {
            moments.First?.Save(state, $"first/{index}");
            moments.Second?.Save(state, $"second/{index}");
        }
    }

    public void Load(StateReader state)
    {
        _steps = (int)state.ReadInteger("steps", maximum: int.MaxValue);
        foreach ((int index, Moments moments) in _moments.Index())
        {
            moments.Load(state, $"first/{index}", $"second/{index}");
        }
    }

    public void Dispose()
    {
        _moments.ForEach(moments => moments.Dispose());
        _first?.Dispose();
        _second?.Dispose();
    }

    private void Update(Moments moments, Tensor gradient, double learningRate)
    {
        (double beta1, double beta2) = (_options.Beta1, _options.Beta2);
        Tensor mean = moments.First is null
            ? gradient.Mul(1 - beta1)
            : moments.First.Dequantize(_first!).MulInPlace(beta1).AddInPlace(gradient, alpha: 1 - beta1);
        Tensor square = moments.Second is null
            ? gradient.Pow(2).Mul(1 - beta2)
            : moments.Second.Dequantize(_second!).Pow(2).MulInPlace(beta2).AddInPlace(gradient.Pow(2), alpha: 1 - beta2);
        Tensor denominator = square.Div(1 - Math.Pow(beta2, _steps)).sqrt_().AddInPlace(_options.Epsilon);
        Tensor update = (mean / denominator).Mul(learningRate / (1 - Math.Pow(beta1, _steps)));
        moments.Parameter.MulInPlace(1 - (learningRate * _options.WeightDecay)).sub_(update.view(moments.Parameter.shape));
        moments.Replace(_first!.Quantize(mean), _second!.Quantize(square.sqrt()));
    }

    // A quantized moment of one tensor: codes [n], uint8, and one scale a block, float32.
    private sealed record EightBitMoment(Tensor Codes, Tensor Scales)
    {
        public long Bytes => Codes.numel() + (Scales.numel() * sizeof(float));

        public Tensor Dequantize(BlockwiseQuantizer quantizer) => quantizer.Dequantize(Codes, Scales);

        public void Save(StateWriter state, string name)
        {
            state.Write($"{name}/codes", Codes);
            state.Write($"{name}/scales", Scales);
        }

        // null where the parameter had not been updated yet.
        public static EightBitMoment? Load(StateReader state, string name, Parameter parameter)
        {
            if (!state.Has($"{name}/codes"))
            {
                return null;
            }

            using DisposeScope scope = NewDisposeScope();
            long count = parameter.numel(), blocks = (count + BlockwiseQuantizer.Block - 1) / BlockwiseQuantizer.Block;
            Tensor codes = state.ReadTensor($"{name}/codes", ScalarType.Byte, count), scales = state.ReadTensor($"{name}/scales", ScalarType.Float32, blocks);
            return new EightBitMoment(codes.to(parameter.device).DetachFromDisposeScope(), scales.to(parameter.device).DetachFromDisposeScope());
        }

        public void Dispose()
        {
            Codes.Dispose();
            Scales.Dispose();
        }
    }

    private sealed class Moments(Parameter parameter)
    {
        public Parameter Parameter => parameter;

        public EightBitMoment? First { get; private set; }

        public EightBitMoment? Second { get; private set; }

        public long Bytes => (First?.Bytes ?? 0) + (Second?.Bytes ?? 0);

        public void Replace((Tensor Codes, Tensor Scales) first, (Tensor Codes, Tensor Scales) second)
        {
            Dispose();
            First = new EightBitMoment(first.Codes.DetachFromDisposeScope(), first.Scales.DetachFromDisposeScope());
            Second = new EightBitMoment(second.Codes.DetachFromDisposeScope(), second.Scales.DetachFromDisposeScope());
        }

        public void Load(StateReader state, string first, string second)
        {
            Dispose();
            (First, Second) = (EightBitMoment.Load(state, first, parameter), EightBitMoment.Load(state, second, parameter));
        }

        public void Dispose()
        {
            First?.Dispose();
            Second?.Dispose();
        }
    }
}
