using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// Is it learning? Observes the first two updates (a down factor gets no gradient while its up factor is still zero, so one is not enough): gradient
/// must have reached adapters, and what it reached must have moved: a factor that stays where it was has lost its steps to rounding, and a run in which
/// all do learns nothing. Where the reward's gradient may rightly be zero, only updates with some gradient are observed, however late they come.
/// </summary>
internal sealed class AdapterWatch(LoraAdapters adapters, bool gradientMayVanish = false) : IResumable
{
    private const int ObservedUpdates = 2;

    private readonly HashSet<string> _reached = new(StringComparer.Ordinal);
    private Dictionary<string, Tensor> _before = [];
    private int _observed;
    private bool _done;

    /// <summary>To be called when a step's gradient is complete, before the update.</summary>
    public void BeforeUpdate()
    {
        if (_done)
        {
            return;
        }

        bool first = _before.Count == 0;
        bool any = false;

        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        foreach ((string name, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            if (first)
            {
                _before[name] = factor.detach().clone().DetachFromDisposeScope();
            }

            if (factor.grad is { } gradient && gradient.count_nonzero().ToInt64() > 0)
            {
                _reached.Add(name);
                any = true;
            }
        }

        _observed += any || !gradientMayVanish ? 1 : 0;
    }

    /// <summary>To be called after each update. Returns what to warn of, once, after the last observed update.</summary>
    /// <exception cref="InvalidOperationException">No adapter got gradient, or none that did has moved.</exception>
    public IReadOnlyList<string> AfterUpdate(int step)
    {
        if (_done || _observed < ObservedUpdates)
        {
            return [];
        }

        _done = true;

        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        string[] still = [.. adapters.NamedFactors.Where(pair => _reached.Contains(pair.Name) && Same(_before[pair.Name], pair.Factor)).Select(pair => pair.Name)];
        string[] names = [.. _before.Keys];
        foreach (Tensor tensor in _before.Values)
        {
            tensor.Dispose();
        }

        _before = [];
        if (_reached.Count == 0)
        {
            throw new InvalidOperationException(
                $"After {step} training steps no gradient has reached any of the {names.Length} adapter tensors. " +
                "Check that the reward's score depends on the frames it is shown and that the gradient window holds a step that still changes the video.");
        }

        if (still.Length == _reached.Count)
        {
            throw new InvalidOperationException(
                $"After {step} training steps none of the {_reached.Count} adapter tensors that got gradient has moved: its steps are lost to rounding. Raise the learning rate; " +
                "or, if the gradient is below AdamW's epsilon, choose steps that move the video more (GradientWindow.MostSensitive) or a larger reward.");
        }

        string[] idle = [.. names.Where(name => !_reached.Contains(name))];
        return
        [
            .. Warning("No gradient reaches", idle, "they cannot influence the reward"),
            .. Warning("No step moves", still, "it is lost to rounding: the learning rate is low, or their gradient below AdamW's epsilon"),
        ];
    }

    public void Save(StateWriter state)
    {
        state.Write("done", _done);
        state.Write("observed", _observed);
        state.WriteList("reached", [.. _reached.Order(StringComparer.Ordinal)]);
        foreach ((string name, Tensor factor) in _before)
        {
            state.Write($"before/{name}", factor);
        }
    }

    public void Load(StateReader state)
    {
        (_done, _observed) = (state.Flag("done"), (int)state.Integer("observed", maximum: ObservedUpdates));
        _reached.Clear();
        _reached.UnionWith(state.Texts("reached"));
        _before = adapters.NamedFactors.Where(pair => state.Has($"before/{pair.Name}")).ToDictionary(
            pair => pair.Name, pair => state.TensorLike($"before/{pair.Name}", pair.Factor).to(pair.Factor.device).DetachFromDisposeScope(), StringComparer.Ordinal);
    }

    private static IEnumerable<string> Warning(string what, string[] tensors, string why) =>
        tensors.Length == 0 ? [] : [$"{what} {tensors.Length} adapter tensors ({why}): {string.Join(", ", tensors.Take(5))}{(tensors.Length > 5 ? ", ..." : ".")}"];

    private static bool Same(Tensor before, Tensor now) => before.eq(now).all().ToBoolean();
}
