namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>A block that is told the diffusion time.</summary>
internal interface ITimeDependent
{
    /// <summary>Whether the time can change what the block gives: false where there is no time embedding, or a norm takes it away again.</summary>
    bool DependsOnTime { get; }
}
