using BenchmarkDotNet.Attributes;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>One question at two sizes: ours, and the reference's graph where there is one.</summary>
public abstract class BenchmarkBase
{
    /// <summary>The name of the size: "embedded" or "middle".</summary>
    [Params("embedded", "middle")]
    public string Size { get; set; } = "middle";

    public abstract void Setup();

    public abstract void Ours();

    public abstract void Reference();

    public abstract void Cleanup();
}
