using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Rewards.VJepa;

/// <summary>The state dicts of a V-JEPA file as one source: names are "dictionary/name".</summary>
internal sealed class VJepaFile : IWeightSource
{
    private static readonly string[] s_dictionaries = ["encoder", "predictor", "target_encoder"];

    private readonly TorchFile _file;
    private readonly Dictionary<string, TensorNode> _tensors = new(StringComparer.Ordinal);

    private VJepaFile(TorchFile file)
    {
        _file = file;
        foreach (string dictionary in s_dictionaries)
        {
            if ((file.Root as DictNode)?.Find(dictionary) is not DictNode weights)
            {
                continue;
            }

            foreach ((WeightNode name, WeightNode value) in weights.Items)
            {
                if (name is StringNode { Value: var text } && value is TensorNode tensor)
                {
                    _tensors[$"{dictionary}/{text}"] = tensor;
                }
            }
        }

        Entries = _tensors.ToDictionary(
            pair => pair.Key, pair => new WeightInfo(pair.Value.Tensor.Dtype.Delivered, pair.Value.Tensor.Shape), StringComparer.Ordinal);
    }

    public string Location => _file.Location;

    public IReadOnlyDictionary<string, WeightInfo> Entries { get; }

    /// <summary>Opens a file of torch.save, or a safetensors file whose names begin with the dictionary's.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="WeightFileException">The file is unsound or of another kind.</exception>
    public static IWeightSource Open(string path) => WeightFile.OpenSingle(path) is var source && source is TorchFile file ? new VJepaFile(file) : source;

    public Tensor Read(string name) => _file.Read(_tensors[name]);

    public void ReadInPieces(string name, long unit, Action<Tensor> take) => _file.ReadInPieces(_tensors[name], unit, take);

    public void Dispose() => _file.Dispose();
}
