using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Positions in time as rotations (<see cref="RotaryPositions"/>). Reference: rotary_embedding_torch, as Open-Sora uses it.</summary>
/// <remarks>The frequencies are read from the file (<c>freqs</c> [d / 2], kept in float32 whatever the other weights are), not computed.</remarks>
internal sealed class RotaryEmbedding : nn.Module
{
    [ComponentName(Name = "freqs")]
    private readonly Parameter _frequencies;

    public RotaryEmbedding(long headSize, Placement placement)
        : base(nameof(RotaryEmbedding))
    {
        _frequencies = placement.Wide.Parameter(headSize / 2);
        RegisterComponents();
    }

    /// <summary>The rotations of positions 0, 1, ...: cos + i sin of position * frequency.</summary>
    /// <param name="positions">L.</param>
    /// <returns>Complex [L, d / 2].</returns>
    public Tensor CreateRotations(long positions) => RotaryPositions.CreateRotations(_frequencies, positions);
}
