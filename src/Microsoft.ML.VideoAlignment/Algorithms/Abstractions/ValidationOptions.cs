using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Measurements of the mean reward on prompts that are never trained on, and what follows from them.</summary>
public sealed record ValidationOptions
{
    /// <summary>
    /// Validation prompts: prompts that are never trained on, whose mean reward is measured during training, in the reward's own units; none by default. Noise
    /// and drawn <see cref="RewardOptions.Frames"/> are a function of the seed and a prompt's place in the list, whatever
    /// <see cref="OptimizerOptions.BatchSize"/> is.
    /// </summary>
    public IReadOnlyList<string> Prompts { get; init; } = [];

    /// <summary>
    /// More validation rows, a table with the columns that <c>Fit</c> reads: for models that make videos from images; null (default): none.
    /// </summary>
    public IDataView? Data { get; init; }

    /// <summary>Optimizer steps between two validations, at least 1; 10 by default.</summary>
    public int Every { get; init; } = 10;

    /// <summary>
    /// Whether <c>Fit</c> returns the weights that did best in validation instead of the last ones; false by default. Needs <see cref="Prompts"/> or
    /// <see cref="Data"/>.
    /// </summary>
    public bool KeepBest { get; init; }

    /// <summary>
    /// Validations in a row without improvement after which training ends, at least 1; null (default): training runs for all
    /// <see cref="OptimizerOptions.Steps"/>. For rewards that keep rising in training but no longer in validation.
    /// </summary>
    public int? EarlyStopPatience { get; init; }

    /// <summary>Whether there is anything to measure on.</summary>
    internal bool HasRows => Prompts is { Count: > 0 } || Data is not null;

    /// <summary>Lists what is wrong with the options, one sentence each.</summary>
    internal IReadOnlyList<string> Faults()
    {
        var faults = new OptionFaults("Validation");
        faults.Require(Prompts is not null, Prompts, "a list, or empty");
        if (Prompts?.ToList().IndexOf(null!) is >= 0 and var missing)
        {
            faults.Add(nameof(Prompts), $"must be texts, got null at {missing}.");
        }

        faults.Require(Every >= 1, Every, "at least 1");
        faults.Require(!KeepBest || HasRows, KeepBest, $"false without {nameof(Prompts)} or {nameof(Data)}");
        faults.Require(EarlyStopPatience is null or >= 1, EarlyStopPatience, "at least 1, or null");
        faults.Require(EarlyStopPatience is null || HasRows, EarlyStopPatience, $"null without {nameof(Prompts)} or {nameof(Data)}");
        return faults.All;
    }
}
