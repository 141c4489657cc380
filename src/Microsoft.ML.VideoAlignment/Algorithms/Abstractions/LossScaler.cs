using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// Multiplies the loss of a run in float16, so that small gradients do not vanish, and divides the factors' gradients, which are float32, by the same number.
/// The scale grows after many good steps and backs off where one overflows, as torch.amp.GradScaler's does with its defaults.
/// </summary>
/// <remarks>
/// The loop in which it is used is that of Micikevicius et al. 2018, arXiv 1710.03740, section 3.2. All its numbers are powers of two, so that scaling alone
/// changes no gradient that stays within range, not by a bit.
/// </remarks>
internal sealed class LossScaler : IResumable
{
    private const double InitialScale = 65536, GrowthFactor = 2, BackoffFactor = 0.5;
    private const int GrowthInterval = 2000;

    private readonly RunPrecision _precision;
    private int _goodSteps;

    /// <summary>Begins with the initial scale.</summary>
    /// <param name="precision">What the run computes in; without float16 the scale is 1 and stays there.</param>
    public LossScaler(RunPrecision precision) => (_precision, Scale) = (precision, precision.NeedsLossScale ? InitialScale : 1);

    /// <summary>Whether losses are scaled.</summary>
    public bool IsActive => _precision.NeedsLossScale;

    /// <summary>The factor on the loss, a power of two.</summary>
    public double Scale { get; private set; }

    /// <summary>Whether backing off no longer helps: what overflows without any scale is not a gradient that was scaled too much.</summary>
    public bool IsExhausted => Scale < 1;

    /// <summary>Says what to change where <see cref="IsExhausted"/>.</summary>
    public string Advice => "So it was at every scale of the loss down to 1." + _precision.AdviseAgainstOverflow(Enum.GetValues<NetworkRole>());

    /// <summary>Whether a score that is not finite can come from float16, rather than from the reward's own formula.</summary>
    public bool ExplainsScores => _precision.IsFloat16(NetworkRole.Reward);

    /// <summary>Divides gradients by the scale.</summary>
    /// <param name="factors">The factors; those without a gradient are skipped.</param>
    /// <returns>Whether all of the gradients are finite.</returns>
    public bool Unscale(IEnumerable<Parameter> factors)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> finite = [];
        foreach (Parameter factor in factors)
        {
            if (factor.grad is { } gradient)
            {
                finite.Add(gradient.MulInPlace(1 / Scale).isfinite().all());
            }
        }

        return finite.Count == 0 || HostRead.Flag(stack(finite).all());
    }

    /// <summary>Records that a gradient was applied; the scale grows after many of these in a row.</summary>
    public void RecordUpdate()
    {
        if (!IsActive || ++_goodSteps < GrowthInterval)
        {
            return;
        }

        _goodSteps = 0;
        Scale = float.IsFinite((float)(Scale * GrowthFactor)) ? Scale * GrowthFactor : Scale;
    }

    /// <summary>Records that a step overflowed and was skipped: the scale backs off.</summary>
    public void RecordOverflow() => (Scale, _goodSteps) = (Scale * BackoffFactor, 0);

    public void Save(StateWriter state)
    {
        state.Write("scale", Scale);
        state.Write("goodSteps", _goodSteps);
    }

    /// <inheritdoc/>
    /// <remarks>Where the run had no scale so far, it begins with the initial one.</remarks>
    public void Load(StateReader state)
    {
        if (state.IsEmpty)
        {
            return;
        }

        double scale = state.ReadNumber("scale");
        Scale = scale >= 1 && float.IsFinite((float)scale) && double.IsPow2(scale) ? scale : throw state.CreateFault("scale", "is not a power of two from 1");
        _goodSteps = (int)state.ReadInteger("goodSteps", maximum: GrowthInterval - 1);
    }
}
