using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// Checks in the first updates that the run is learning: gradient must have reached adapters, and the factors it reached must have moved.
/// </summary>
/// <remarks>
/// A factor that has not moved has lost its steps to rounding, and a run in which all have learns nothing. Where the reward's gradient may rightly be zero,
/// only updates with some gradient are observed, however late they come.
/// At least two updates are observed, since a down factor gets no gradient while its up factor is still zero; as long as an update reaches up factors that none
/// before reached (after an output layer that begins at zero), another one follows. A factor counts as reached if its gradient is not zero, however small: size
/// says nothing, since true gradients span more decades than rounding noise lies below them. Noise is there only where non-zero numbers cancel, which softmax
/// and norms do by their structure; such places are therefore known from the structure (<see cref="LoraAdapters.InertFactors"/>): they count neither as reached
/// nor as missed. A gradient that is cut anywhere else is null or exactly zero on every processor. A reward whose own derivative cancels is found by <see
/// cref="GradientCheck"/>.
/// </remarks>
internal sealed class GradientFlowCheck : IResumable
{
    private const int LeastUpdates = 2;

    private readonly LoraAdapters _adapters;
    private readonly bool _gradientMayVanish;
    private readonly HashSet<string> _reached = new(StringComparer.Ordinal);
    private Dictionary<string, Tensor> _before = [];
    private int _observed;
    private bool _spreads;
    private bool _done;

    /// <summary>Begins to observe a run.</summary>
    /// <param name="adapters">The adapters to train; from now on they record which of them cannot affect the video.</param>
    /// <param name="gradientMayVanish">Whether an update may rightly have no gradient at all.</param>
    public GradientFlowCheck(LoraAdapters adapters, bool gradientMayVanish = false)
    {
        (_adapters, _gradientMayVanish) = (adapters, gradientMayVanish);
        adapters.ForgetUses();
    }

    /// <summary>Observes the gradient; call when a step's gradient is complete, before the update.</summary>
    public void BeforeUpdate()
    {
        if (_done)
        {
            return;
        }

        bool first = _before.Count == 0;
        bool any = false;
        _spreads = false;
        IReadOnlySet<string> inert = _adapters.InertFactors;

        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        var flags = new List<(string Name, Tensor Reached)>();
        foreach ((string name, TorchSharp.Modules.Parameter factor) in _adapters.NamedFactors)
        {
            if (first)
            {
                _before[name] = factor.detach().clone().DetachFromDisposeScope();
            }

            if (!inert.Contains(name) && factor.grad is { } gradient)
            {
                flags.Add((name, gradient.NotEqualTo(0).any()));
            }
        }

        foreach (string name in Holding(flags))
        {
            any = true;
            _spreads |= _reached.Add(name) && name.EndsWith(LoraAdapters.UpSuffix, StringComparison.Ordinal);
        }

        _observed += any || !_gradientMayVanish ? 1 : 0;
    }

    /// <summary>Decides after the last observed update; call after each update.</summary>
    /// <param name="step">The optimizer step, counted from 1, for messages.</param>
    /// <returns>Warnings, once, after the last observed update; empty otherwise.</returns>
    /// <exception cref="InvalidOperationException">No adapter got gradient, or none that did has moved.</exception>
    public IReadOnlyList<string> AfterUpdate(int step)
    {
        if (_done || _observed < LeastUpdates || _spreads)
        {
            return [];
        }

        _done = true;

        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        IReadOnlySet<string> inert = _adapters.InertFactors;
        _reached.ExceptWith(inert);
        string[] unmoved = Holding(
            [.. _adapters.NamedFactors.Where(pair => _reached.Contains(pair.Name)).Select(pair => (pair.Name, _before[pair.Name].eq(pair.Factor).all()))]);
        string[] names = [.. _before.Keys.Where(name => !inert.Contains(name))];
        int all = _before.Count;
        foreach (Tensor tensor in _before.Values)
        {
            tensor.Dispose();
        }

        _before = [];
        if (names.Length == 0)
        {
            throw new InvalidOperationException(
                $"None of the {all} adapter tensors can affect the video at this size: they belong to queries and keys of attention over a single token, " +
                "or to layers whose output a norm removes. Choose other LoRA targets, more frames or larger ones.");
        }

        if (_reached.Count == 0)
        {
            throw new InvalidOperationException(
                $"After {step} training steps no gradient has reached any of the {names.Length} adapter tensors. " +
                "Check that the reward's score depends on the frames it is shown and that the gradient window has a step that still changes the video.");
        }

        if (unmoved.Length == _reached.Count)
        {
            throw new InvalidOperationException(
                $"After {step} training steps none of the {_reached.Count} adapter tensors that got gradient has moved: their steps are lost to rounding. " +
                "Raise the learning rate; or, if the gradient is below AdamW's epsilon, choose steps that move the video more (GradientWindow.MostSensitive) " +
                "or a larger reward.");
        }

        string[] unreached = [.. names.Where(name => !_reached.Contains(name))];
        return
        [
            .. Warning("No gradient reaches", unreached, "they cannot affect the reward"),
            .. Warning("No step moves", unmoved, "it is lost to rounding: the learning rate is low, or their gradient below AdamW's epsilon"),
        ];
    }

    public void Save(StateWriter state)
    {
        state.Write("done", _done);
        state.Write("observed", _observed);
        state.Write("spreads", _spreads);
        state.WriteList("reached", [.. _reached.Order(StringComparer.Ordinal)]);
        foreach ((string name, Tensor factor) in _before)
        {
            state.Write($"before/{name}", factor);
        }
    }

    public void Load(StateReader state)
    {
        (_done, _observed, _spreads) = (state.ReadFlag("done"), (int)state.ReadInteger("observed", maximum: int.MaxValue), state.ReadFlag("spreads"));
        _reached.Clear();
        _reached.UnionWith(state.ReadTexts("reached"));
        _before = _adapters.NamedFactors.Where(pair => state.Has($"before/{pair.Name}")).ToDictionary(
            pair => pair.Name, pair => state.ReadTensorLike($"before/{pair.Name}", pair.Factor).to(pair.Factor.device).DetachFromDisposeScope(),
            StringComparer.Ordinal);
    }

    private static IEnumerable<string> Warning(string what, string[] tensors, string why) =>
        tensors.Length == 0
            ? []
            : [$"{what} {tensors.Length} adapter tensors ({why}): {string.Join(", ", tensors.Take(5))}{(tensors.Length > 5 ? ", ..." : ".")}"];

    // The names whose flags are set, which are read at once.
    private static string[] Holding(List<(string Name, Tensor Flag)> flags)
    {
        if (flags.Count == 0)
        {
            return [];
        }

        bool[] set = HostRead.Numbers<bool>(stack([.. flags.Select(pair => pair.Flag)]), nameof(GradientFlowCheck));
        return [.. flags.Where((_, place) => set[place]).Select(pair => pair.Name)];
    }
}
