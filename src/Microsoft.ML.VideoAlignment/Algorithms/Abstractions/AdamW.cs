using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2) with both moments in float32, operation by operation as torch.optim.AdamW. TorchSharp's
/// own is not used because it passes temporary scalars that a collection can free during the call (<see cref="ScalarOps"/>).
/// </summary>
internal sealed class AdamW : IAdapterOptimizer
{
    private readonly OptimizerOptions _options;
    private readonly List<Moments> _moments;

    /// <summary>Begins at step 0 with moments of zero.</summary>
    /// <param name="parameters">The parameters to train; one without a gradient is skipped.</param>
    /// <param name="options">Decays, epsilon and weight decay.</param>
    public AdamW(IReadOnlyList<Parameter> parameters, OptimizerOptions options) =>
        (_options, _moments) = (options, [.. parameters.Select(parameter => new Moments(parameter))]);

    public long StateBytes => _moments.Sum(moments => IAdapterOptimizer.BytesFor(moments.Parameter, OptimizerState.Full));

    public void Step(double learningRate)
    {
        using IDisposable guard = no_grad();
        foreach (Moments moments in _moments)
        {
            using DisposeScope scope = NewDisposeScope();
            if (moments.Parameter.grad is { } gradient)
            {
                Update(moments, gradient, learningRate);
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
        foreach ((int index, Moments moments) in _moments.Index())
        {
            state.Write($"steps/{index}", moments.Steps);
            state.Write($"first/{index}", moments.First);
            state.Write($"second/{index}", moments.Second);
        }
    }

    public void Load(StateReader state)
    {
        using IDisposable guard = no_grad();
        foreach ((int index, Moments moments) in _moments.Index())
        {
            moments.Steps = state.ReadInteger($"steps/{index}");
            using Tensor first = state.ReadTensorLike($"first/{index}", moments.First), second = state.ReadTensorLike($"second/{index}", moments.Second);
            moments.First.copy_(first);
            moments.Second.copy_(second);
        }
    }

    public void Dispose() => _moments.ForEach(moments => moments.Dispose());

    private void Update(Moments moments, Tensor gradient, double learningRate)
    {
        moments.Steps++;
        (double beta1, double beta2) = (_options.Beta1, _options.Beta2);
        (double correction1, double correction2) = (1 - Math.Pow(beta1, moments.Steps), 1 - Math.Pow(beta2, moments.Steps));
        moments.Parameter.MulInPlace(1 - (learningRate * _options.WeightDecay));
        moments.First.MulInPlace(beta1).AddInPlace(gradient, 1 - beta1);
        moments.Second.MulInPlace(beta2).AddProductInPlace(gradient, gradient, 1 - beta2);
        Tensor denominator = moments.Second.sqrt().Div(Math.Sqrt(correction2)).AddInPlace(_options.Epsilon);
        moments.Parameter.AddQuotientInPlace(moments.First, denominator, -(learningRate / correction1));
    }

    // The state of one parameter.
    private sealed class Moments(Parameter parameter) : IDisposable
    {
        public Parameter Parameter => parameter;

        public Tensor First { get; } = zeros_like(parameter, requires_grad: false).DetachFromDisposeScope();

        public Tensor Second { get; } = zeros_like(parameter, requires_grad: false).DetachFromDisposeScope();

        public long Steps { get; set; }

        public void Dispose()
        {
            First.Dispose();
            Second.Dispose();
        }
    }
}
