using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// The state of a run at its last boundary between two steps. What a step under way changes before its update (draws, reward, counters, rollouts) is gathered at
/// the boundary; what updates and measurements alone change is gathered when the state is written. So a step that is cut short costs nothing but itself.
/// </summary>
/// <param name="folder">Where states go.</param>
/// <param name="every">Optimizer steps between two of them.</param>
/// <param name="seed">The run's.</param>
internal sealed class TrainingState(RunFolder folder, int every, int seed) : IDisposable
{
    private readonly List<(string Name, IResumable Part, bool Perishes)> _moving = [];
    private readonly List<(string Name, IResumable Part)> _settled = [];
    private StateWriter? _boundary;
    private int _step;
    private bool _written;

    /// <summary>Adds a part that a step changes before its update.</summary>
    /// <param name="name">Of its section.</param>
    /// <param name="part">The part.</param>
    /// <param name="perishes">Whether it begins anew where what was sampled and scored before no longer compares.</param>
    public void AddMoving(string name, IResumable part, bool perishes = false) => _moving.Add((name, part, perishes));

    /// <summary>Adds a part that updates and measurements alone change.</summary>
    /// <param name="name">Of its section.</param>
    /// <param name="part">The part.</param>
    public void AddSettled(string name, IResumable part) => _settled.Add((name, part));

    /// <summary>Brings every part to where the folder's state was.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="RunFolderException">It does not fit the run.</exception>
    public bool Restore()
    {
        if (folder.Found is not { } found)
        {
            return false;
        }

        using DisposeScope scope = NewDisposeScope();
        foreach ((string name, IResumable part) in _settled.Concat(_moving.Where(moving => !(moving.Perishes && folder.Remeasures)).Select(moving => (moving.Name, moving.Part))))
        {
            part.Load(found.Content.Section(name));
        }

        // An open file could not be removed later on every system.
        found.Dispose();
        return true;
    }

    /// <summary>To be called between two steps: this is where the run would go on.</summary>
    /// <param name="step">Optimizer steps done.</param>
    public void Reached(int step)
    {
        _boundary?.Dispose();
        var boundary = new StateWriter();
        _moving.ForEach(moving => moving.Part.Save(boundary.Section(moving.Name)));
        (_boundary, _step, _written) = (boundary, step, false);
    }

    /// <summary>To be called before an update or a measurement's bookkeeping: until the next boundary there is nothing whole to write.</summary>
    public void Leave()
    {
        _boundary?.Dispose();
        _boundary = null;
    }

    /// <summary>Writes the boundary just reached, if it is one of those that are written.</summary>
    public void WriteIfDue()
    {
        if (_step % every == 0)
        {
            Write();
        }
    }

    /// <summary>Writes the last boundary, unless that has been done or nothing is learned yet.</summary>
    /// <exception cref="RunFolderException">It cannot be written.</exception>
    public void Write()
    {
        if (_boundary is null || _written || _step == 0)
        {
            return;
        }

        using var state = new StateWriter();
        state.Add(_boundary);
        _settled.ForEach(settled => settled.Part.Save(state.Section(settled.Name)));
        folder.Write(_step, seed, state);
        _written = true;
    }

    public void Dispose() => _boundary?.Dispose();
}
