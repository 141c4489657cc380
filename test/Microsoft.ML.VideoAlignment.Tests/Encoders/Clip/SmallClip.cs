using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A CLIP of a few hundred numbers, its weights a ramp.</summary>
internal static class SmallClip
{
    public static ClipConfig Config { get; } = new(
        new ClipTextConfig
        {
            VocabSize = 20,
            HiddenSize = 8,
            IntermediateSize = 12,
            NumHiddenLayers = 2,
            NumAttentionHeads = 2,
            MaxPositionEmbeddings = 6,
            ProjectionDim = 5,
            EosTokenId = 19,
        },
        new ClipVisionConfig
        {
            HiddenSize = 12,
            IntermediateSize = 16,
            NumHiddenLayers = 2,
            NumAttentionHeads = 3,
            ImageSize = 9,
            PatchSize = 4,
            ProjectionDim = 5,
        });

    public static ClipModel Model()
    {
        var model = new ClipModel(Config, Placement.Cpu);
        using IDisposable guard = no_grad();
        double phase = 0;
        foreach ((_, Tensor parameter) in model.state_dict())
        {
            using Tensor ramp = arange(parameter.numel(), dtype: ScalarType.Float32);
            using Tensor wave = (ramp * 0.7 + phase++).sin() * 0.5;
            using Tensor shaped = wave.reshape(parameter.shape);
            parameter.copy_(shaped);
        }

        return model;
    }

    public static (string Name, Tensor Value)[] Weights(ClipModel model) => [.. model.state_dict().Select(pair => (pair.Key, pair.Value))];

    public static Tensor Pixels() => (arange(2 * 3 * 9 * 9, dtype: ScalarType.Float32) * 0.37).sin().reshape(2, 3, 9, 9);

    public static Tensor Ids() => tensor(new long[,] { { 1, 7, 3, 19, 19, 19 }, { 1, 4, 19, 0, 0, 0 } });
}
