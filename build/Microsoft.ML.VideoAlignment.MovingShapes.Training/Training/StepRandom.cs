namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>Randomness as a function of (stream, step), so that a continued training draws what an unbroken one would have drawn.</summary>
internal static class StepRandom
{
    public static Random Numbers(int stream, int step) => new(unchecked((stream * 1_000_003) + step));

    /// <summary>A torch generator on the CPU; the caller disposes it.</summary>
    public static Generator Tensors(int stream, int step) => new((ulong)((stream * 1_000_003L) + step), CPU);
}
