namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>What became of a fault.</summary>
/// <param name="Result">"seen", "hang", "memory", "crash" (all of which are seen), "survived", or "not reached" where no test runs its code.</param>
/// <param name="By">The test; of a survivor how many were run.</param>
internal sealed record Verdict(string Result, string By)
{
    /// <summary>Whether the tests notice the fault.</summary>
    public bool IsSeen => Result is "seen" or "hang" or "memory" or "crash";
}
