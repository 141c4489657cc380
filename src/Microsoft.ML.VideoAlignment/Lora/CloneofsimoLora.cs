using System.Globalization;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// Reads and writes the list without names that VADER's ModelScope script saves (its utils/lora.py, after cloneofsimo/lora): [up, down, up, down, ...], one
/// pair a layer in the order in which the reference registers them, scale 1.
/// </summary>
internal static class CloneofsimoLora
{
    // Where a reference class lies in UNet3DConditionModel: a component of the module path, followed by its number.
    private static readonly Dictionary<string, string[]> s_classes = new(StringComparer.Ordinal)
    {
        ["UNet3DConditionModel"] = [],
        ["Attention"] = ["attn1", "attn2"],
        ["ResnetBlock2D"] = ["resnets"],
        ["TemporalConvLayer"] = ["temp_convs"],
    };

    // Registration order of UNet3DConditionModel and its parts: up_blocks before mid_block, and within a block all residual blocks before all temporal
    // convolutions. Names that occur as siblings stand in that order; numbered children follow their numbers.
    private static readonly Dictionary<string, int> s_places = new[]
    {
        "conv_in", "time_embedding", "transformer_in", "down_blocks", "up_blocks", "mid_block", "conv_out",
        "resnets", "temp_convs", "attentions", "temp_attentions", "downsamplers", "upsamplers",
        "linear_1", "linear_2", "conv1", "time_emb_proj", "conv2", "conv_shortcut", "conv3", "conv4", "conv",
        "proj_in", "transformer_blocks", "proj_out", "attn1", "attn2", "ff", "to_q", "to_k", "to_v", "to_out", "net", "proj",
    }.Select((name, place) => (name, place)).ToDictionary(pair => pair.name, pair => pair.place, StringComparer.Ordinal);

    public static LoraWeights Read(nn.Module network, string path, LoraFileOptions options)
    {
        IReadOnlyList<string> modules = OrderModules(network, options.TargetClasses);
        using TorchFile source = WeightFile.OpenTree(path);
        if (source.Root is not ListNode list || list.Items.Any(item => item is not TensorNode))
        {
            throw new WeightFileException(path, $"holds {source.Root.Kind}, expected a list of tensors: up, down, up, down, ...");
        }

        if (list.Items.Count != 2 * modules.Count)
        {
            throw new WeightFileException(
                path, $"holds {list.Items.Count} tensors; the {modules.Count} layers of {network.GetName()} below {string.Join(", ", options.TargetClasses)} "
                + $"need {2 * modules.Count}.");
        }

        var pairs = new List<LoraPair>();
        try
        {
            for (int i = 0; i < modules.Count; i++)
            {
                Tensor up = source.Read((TensorNode)list.Items[2 * i]).DetachFromDisposeScope();
                Tensor down = source.Read((TensorNode)list.Items[(2 * i) + 1]).DetachFromDisposeScope();
                pairs.Add(new LoraPair(modules[i], down, up, 1));
                LoraReader.RequireFactors(pairs[^1], path);
            }
        }
        catch
        {
            pairs.ForEach(pair => pair.Dispose());
            throw;
        }

        return new LoraWeights(pairs, new LoraOrigin { Location = path, Format = LoraFormat.Cloneofsimo, Dtype = pairs[0].Down.dtype });
    }

    public static void Write(nn.Module network, string path, LoraWeights weights, LoraFileOptions options)
    {
        Dictionary<string, LoraPair> pairs = weights.Pairs.ToDictionary(pair => pair.Module, StringComparer.Ordinal);
        IReadOnlyList<string> modules = OrderModules(network, options.TargetClasses);
        if (!pairs.Keys.ToHashSet(StringComparer.Ordinal).SetEquals(modules))
        {
            throw new NotSupportedException(
                $"A list without names must hold every layer below {string.Join(", ", options.TargetClasses)} ({modules.Count}); "
                + $"these adapters cover {pairs.Count} layers, not the same. Save as Diffusers or Peft.");
        }

        if (weights.Pairs.FirstOrDefault(pair => pair.Scale != 1) is { } scaled)
        {
            throw new NotSupportedException(
                $"A list without names has no place for a scale other than 1 ({scaled.Module} has {scaled.Scale}); save as Diffusers or Peft.");
        }

        TorchZipWriter.Write(path, [.. modules.SelectMany(module => new[] { pairs[module].Up, pairs[module].Down })], parameters: true);
    }

    /// <summary>Lists the layers that lie inside the target classes, in the reference's order.</summary>
    /// <param name="network">ModelScope's denoiser.</param>
    /// <param name="targetClasses">Names of reference classes, such as "Attention".</param>
    /// <returns>Module paths.</returns>
    /// <exception cref="NotSupportedException">A class is unknown, or the network has modules whose place in the order is not known.</exception>
    public static IReadOnlyList<string> OrderModules(nn.Module network, IReadOnlyList<string> targetClasses)
    {
        if (targetClasses.FirstOrDefault(name => !s_classes.ContainsKey(name)) is { } unknown)
        {
            throw new NotSupportedException($"The target class '{unknown}' is not one of {string.Join(", ", s_classes.Keys)}.");
        }

        string[][] below = [.. targetClasses.Select(name => s_classes[name])];
        string[][] paths =
        [
            .. AdaptableLayer.FindAll(network).Select(layer => layer.Name.Split('.'))
                .Where(path => below.Any(marks => marks.Length == 0 || path.Any(marks.Contains))),
        ];
        if (paths.SelectMany(path => path).FirstOrDefault(part => !s_places.ContainsKey(part) && !IsNumber(part)) is { } stranger)
        {
            throw new NotSupportedException(
                $"A list without names fits only ModelScope's denoiser; {network.GetName()} has '{stranger}', whose place in the order is not known.");
        }

        return [.. paths.Order(Comparer<string[]>.Create(Compare)).Select(path => string.Join('.', path))];
    }

    private static bool IsNumber(string part) => part.All(char.IsAsciiDigit);

    private static int Compare(string[]? x, string[]? y)
    {
        for (int i = 0; i < Math.Min(x!.Length, y!.Length); i++)
        {
            int order = Place(x[i]).CompareTo(Place(y[i]));
            if (order != 0)
            {
                return order;
            }
        }

        return x.Length.CompareTo(y.Length);

        static int Place(string part) => IsNumber(part) ? int.Parse(part, CultureInfo.InvariantCulture) : s_places[part];
    }
}
