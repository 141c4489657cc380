namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>One thing that decides what a run computes, as a text that is equal where the thing is.</summary>
/// <param name="Kind">The group of facts, such as "model" or "options"; differences are reported by kind.</param>
/// <param name="Name">Name within the kind, such as "LearningRate".</param>
/// <param name="Value">Shown and compared.</param>
/// <param name="Change">What a different value means for a run that resumes.</param>
internal sealed record RunFact(string Kind, string Name, string Value, FactChange Change);

/// <summary>What a changed <see cref="RunFact"/> means for a run that resumes, from harmless to fatal.</summary>
internal enum FactChange
{
    /// <summary>The run continues with the new value.</summary>
    Continues,

    /// <summary>The run continues, but earlier samples, scores and measurements no longer compare, so they are repeated.</summary>
    Remeasures,

    /// <summary>The weights are meaningless under the new value.</summary>
    Breaks,
}
