namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>A part of a causal network.</summary>
/// <param name="States">How many of its layers look at frames before their own: what it takes from a <see cref="CausalState"/> and adds to one.</param>
/// <param name="Forward">Images [B*T, C, H, W] of a segment, and the pass they are part of, to images [B*T', C', H', W'].</param>
internal sealed record CausalBlock(int States, Func<Tensor, CausalPass, Tensor> Forward)
{
    /// <summary>The block as one that the backward pass recomputes (<see cref="CausalPass.Run"/>).</summary>
    public CausalBlock Recomputed => new(States, (x, pass) => pass.Run(this, x));
}
