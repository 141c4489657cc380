using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Rewards.ClipHeads;

/// <summary>What stands between and after the linear layers of a head. Its file does not say.</summary>
internal enum HeadForm
{
    /// <summary>Linear layers alone, as LAION's aesthetic predictor V2 has them.</summary>
    Affine,

    /// <summary>Linear layers alone, then a sigmoid: VADER's weather heads.</summary>
    Sigmoid,

    /// <summary>ReLU between the linear layers: VADER's compression head.</summary>
    Rectified,
}

/// <summary>
/// A small network from an l2-normalized image embedding [N, P] to one number. Keys <c>layers.N.weight</c>, <c>layers.N.bias</c>, where the numbers N skip what
/// has no weights; all widths come from the file.
/// </summary>
/// <remarks>Dropout of the training is off.</remarks>
internal sealed partial class ScoreHead : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "layers")]
    private readonly NumberedLayers _layers;

    private readonly HeadForm _form;

    private ScoreHead(HeadForm form, NumberedLayers layers)
        : base(nameof(ScoreHead))
    {
        (_form, _layers) = (form, layers);
        RegisterComponents();
    }

    /// <summary>Makes a head of the same shapes without numbers.</summary>
    public ScoreHead ToMeta()
    {
        IEnumerable<(int, IReadOnlyList<long>)> layers = _layers.Linears.Select((linear, number) => (number, (IReadOnlyList<long>)linear.Weight.shape));
        return new ScoreHead(_form, new NumberedLayers([.. layers], Placement.MetaLike(this)));
    }

    /// <summary>P, the width of the embedding.</summary>
    public long InFeatures => _layers.Linears[0].Weight.shape[1];

    /// <summary>Makes a head whose weights are still to be filled.</summary>
    /// <param name="form">What stands between and after the linear layers.</param>
    /// <param name="layers">Each layer's number in the names, inputs and outputs; the last has one output.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    public static ScoreHead Create(HeadForm form, IReadOnlyList<(int Number, long In, long Out)> layers, Placement placement) =>
        new(form, new NumberedLayers([.. layers.Select(layer => (layer.Number, (IReadOnlyList<long>)[layer.Out, layer.In]))], placement));

    /// <summary>Reads a head.</summary>
    /// <param name="path">safetensors or torch.save, keys layers.N.weight and .bias.</param>
    /// <param name="form">What stands between and after the linear layers; the file does not say.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <exception cref="WeightFileException">The file holds no chain of linear layers that ends in one number, or a weight is not finite.</exception>
    public static ScoreHead FromFile(string path, HeadForm form, Placement placement)
    {
        using IWeightSource source = UnwrappedWeights.Unwrap(WeightFile.Open(path));
        int[] numbers = [.. source.Entries.Keys.Select(name => LayerWeight().Match(name)).Where(match => match.Success)
            .Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)).Order()];
        (int Number, IReadOnlyList<long> Shape)[] layers = [.. numbers.Select(number => (number, source.Entries[$"layers.{number}.weight"].Shape))];
        bool chained = layers.Length > 0 && layers.All(layer => layer.Shape.Count == 2) && layers[^1].Shape[0] == 1
            && Enumerable.Range(1, layers.Length - 1).All(i => layers[i].Shape[1] == layers[i - 1].Shape[0]);
        if (!chained)
        {
            throw new WeightFileException(
                path, "is not a reward head: expected layers.N.weight [out, in], each as wide as the one before and the last with one output; found " +
                (layers.Length == 0
                    ? $"none. {FileContents.Describe(source)}"
                    : string.Join(", ", layers.Select(layer => $"layers.{layer.Number}.weight {Shapes.Describe(layer.Shape)}")) + "."));
        }

        ScoreHead head = WeightLoader.Fill(new ScoreHead(form, new NumberedLayers(layers, placement)), source);
        if (head.NameOfNonFinite() is not { } name)
        {
            return head;
        }

        head.Dispose();
        throw new WeightFileException(
            path, $"{name} holds numbers that are not finite: no score would be. The training that made the file failed; take another.");
    }

    private string? NameOfNonFinite()
    {
        using DisposeScope scope = NewDisposeScope();
        return named_parameters().FirstOrDefault(pair => !HostRead.Flag(pair.parameter.isfinite().all())).name;
    }

    /// <summary>Scores embeddings.</summary>
    /// <param name="embedding">[N, P], l2-normalized.</param>
    /// <returns>[N].</returns>
    public override Tensor forward(Tensor embedding)
    {
        using Tensor logits = Logits(embedding);
        return _form == HeadForm.Sigmoid ? logits.sigmoid() : logits.alias();
    }

    /// <summary>Computes what the sigmoid, if there is one, is given.</summary>
    /// <param name="embedding">[N, P], l2-normalized.</param>
    /// <returns>[N].</returns>
    public Tensor Logits(Tensor embedding)
    {
        Shapes.Require(embedding, $"N, {InFeatures}");
        using DisposeScope scope = NewDisposeScope();
        Tensor x = embedding;
        foreach (Linear linear in _layers.Linears)
        {
            x = linear.call(_form == HeadForm.Rectified && !ReferenceEquals(linear, _layers.Linears[0]) ? Ops.Relu(x) : x);
        }

        return x.squeeze(1).MoveToOuterDisposeScope();
    }

    [GeneratedRegex(@"^layers\.(\d{1,4})\.weight$", RegexOptions.CultureInvariant)]
    private static partial Regex LayerWeight();

    /// <summary>Linear layers whose names are their numbers in the reference's Sequential.</summary>
    private sealed class NumberedLayers : nn.Module
    {
        public NumberedLayers((int Number, IReadOnlyList<long> Shape)[] layers, Placement placement)
            : base(nameof(NumberedLayers))
        {
            Linears = [.. layers.Select(layer => new Linear(layer.Shape[1], layer.Shape[0], placement))];
            for (int i = 0; i < layers.Length; i++)
            {
                register_module(layers[i].Number.ToString(CultureInfo.InvariantCulture), Linears[i]);
            }
        }

        public IReadOnlyList<Linear> Linears { get; }
    }
}
