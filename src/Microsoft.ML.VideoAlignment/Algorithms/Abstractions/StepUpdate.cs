namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>What became of the gradient of an optimizer step.</summary>
/// <param name="GradientNorm">Its L2 norm over all adapters, before clipping; 0 where there was nothing to learn from, NaN where the step was skipped.</param>
/// <param name="Skipped">Whether the step was skipped, because float16 overflowed.</param>
internal readonly record struct StepUpdate(double GradientNorm, bool Skipped);
