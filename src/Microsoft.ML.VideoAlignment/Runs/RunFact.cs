namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>One thing that decides what a run computes, as a text that is equal where it is the same.</summary>
/// <param name="Kind">What it belongs to, such as "model" or "options"; differences are told kind by kind.</param>
/// <param name="Name">Such as "LearningRate".</param>
/// <param name="Value">For people, and compared.</param>
/// <param name="Change">What a different value means for a run that goes on.</param>
internal sealed record RunFact(string Kind, string Name, string Value, FactChange Change);

/// <summary>What a changed <see cref="RunFact"/> means for a run that goes on, from harmless to fatal.</summary>
internal enum FactChange
{
    /// <summary>The run goes on with the new value.</summary>
    Continues,

    /// <summary>The run goes on, but what was sampled, scored and measured before no longer compares: it is done anew.</summary>
    Remeasures,

    /// <summary>The weights mean nothing under the new value.</summary>
    Breaks,
}
