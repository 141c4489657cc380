namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>
/// A part of a training run that changes from step to step, and without which the run could not resume as if it had never been interrupted. <see cref="Load"/>
/// restores what <see cref="Save"/> wrote, to the last bit.
/// </summary>
internal interface IResumable
{
    /// <summary>Writes everything that steps change.</summary>
    /// <param name="state">The part's own section of the state.</param>
    void Save(StateWriter state);

    /// <summary>Replaces everything that steps change.</summary>
    /// <param name="state">What <see cref="Save"/> wrote; the file may be hostile, so sizes are checked.</param>
    /// <exception cref="RunFolderException">Something is missing or does not fit.</exception>
    void Load(StateReader state);
}
