using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// Is it learning? Observes the first two updates (a down factor gets no gradient while its up factor is still zero, so one is not enough): gradient
/// must have reached adapters, and every factor that it reached must have moved. One that stays where it was is lost to rounding. Where the reward's
/// gradient may rightly be zero, only updates with some gradient are observed, however late they come.
/// </summary>
internal sealed class AdapterWatch(LoraAdapters adapters, bool gradientMayVanish = false)
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

    /// <summary>To be called after each update. Returns the adapter tensors that no gradient reached, once, after the last observed update.</summary>
    /// <exception cref="InvalidOperationException">No adapter got gradient, or one that did has not moved.</exception>
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

        if (still.Length > 0)
        {
            throw new InvalidOperationException(
                $"After {step} training steps {still.Length} of {names.Length} adapter tensors have not moved although they got gradient: " +
                $"{string.Join(", ", still.Take(5))}{(still.Length > 5 ? ", ..." : "")}. Raise the learning rate: its steps are lost to rounding.");
        }

        return [.. names.Where(name => !_reached.Contains(name))];
    }

    private static bool Same(Tensor before, Tensor now) => before.eq(now).all().ToBoolean();
}
