using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// The state of a run at its last boundary between two steps, so that an interrupted step costs nothing but itself.
/// </summary>
/// <remarks>
/// What a step changes before its update (draws, reward, counters, rollouts) is saved at the boundary; what only updates and measurements change is saved when
/// the state is written.
/// </remarks>
/// <param name="folder">The folder of the states.</param>
/// <param name="every">Optimizer steps between two states.</param>
/// <param name="seed">The run's seed.</param>
internal sealed class TrainingState(RunFolder folder, int every, int seed) : IDisposable
{
    private readonly List<(string Name, IResumable Part, bool Perishes)> _moving = [];
    private readonly List<(string Name, IResumable Part)> _settled = [];
    private StateWriter? _boundary;
    private int _step;
    private bool _written;

    /// <summary>Adds a part that a step changes before its update.</summary>
    /// <param name="name">The name of its section.</param>
    /// <param name="part">The part; null: the run has none of this name.</param>
    /// <param name="dropIfRemeasured">Whether it is not restored where earlier samples and scores are no longer comparable.</param>
    public void AddPerStep(string name, IResumable? part, bool dropIfRemeasured = false)
    {
        if (part is not null)
        {
            _moving.Add((name, part, dropIfRemeasured));
        }
    }

    /// <summary>Adds a part that only updates and measurements change.</summary>
    /// <param name="name">The name of its section.</param>
    /// <param name="part">The part; null: the run has none of this name.</param>
    public void AddPerUpdate(string name, IResumable? part)
    {
        if (part is not null)
        {
            _settled.Add((name, part));
        }
    }

    /// <summary>Restores every part from the folder's state.</summary>
    /// <returns>Whether there was a state.</returns>
    /// <exception cref="RunFolderException">The state does not fit the run.</exception>
    public bool Restore()
    {
        if (folder.Found is not { } found)
        {
            return false;
        }

        using DisposeScope scope = NewDisposeScope();
        IEnumerable<(string Name, IResumable Part)> moving =
            _moving.Where(part => !(part.Perishes && folder.Remeasures)).Select(part => (part.Name, part.Part));
        foreach ((string name, IResumable part) in _settled.Concat(moving))
        {
            part.Load(found.Content.OpenSection(name));
        }

        // Not every system can remove an open file later.
        found.Dispose();
        return true;
    }

    /// <summary>Marks a boundary, from which the run can resume; call between two steps.</summary>
    /// <param name="step">Optimizer steps done.</param>
    public void MarkBoundary(int step)
    {
        _boundary?.Dispose();
        var boundary = new StateWriter();
        _moving.ForEach(moving => moving.Part.Save(boundary.AddSection(moving.Name)));
        (_boundary, _step, _written) = (boundary, step, false);
    }

    /// <summary>
    /// Discards the boundary; call before an update or the bookkeeping of a measurement, after which there is no complete state until the next boundary.
    /// </summary>
    public void DiscardBoundary()
    {
        _boundary?.Dispose();
        _boundary = null;
    }

    /// <summary>Writes the last boundary, if its step is one of those that are written.</summary>
    public void WriteIfDue()
    {
        if (_step % every == 0)
        {
            Write();
        }
    }

    /// <summary>Writes the last boundary, unless it has been written or no step is done yet.</summary>
    /// <exception cref="RunFolderException">The folder cannot be written.</exception>
    public void Write()
    {
        if (_boundary is null || _written || _step == 0)
        {
            return;
        }

        using var state = new StateWriter();
        state.Add(_boundary);
        _settled.ForEach(settled => settled.Part.Save(state.AddSection(settled.Name)));
        folder.Write(_step, seed, state);
        _written = true;
    }

    public void Dispose() => _boundary?.Dispose();
}
