namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>A block that is given the diffusion time.</summary>
internal interface ITimeDependent
{
    /// <summary>Whether the time can change the block's output: false where it has no time embedding, or a norm takes the embedding away again.</summary>
    bool DependsOnTime { get; }
}
