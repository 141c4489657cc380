using System.Globalization;
using System.Numerics;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>The content of a pickled file: containers, scalars and tensors, and nothing that could act.</summary>
internal abstract class WeightNode
{
    /// <summary>The kind, for errors: "a list", "an integer".</summary>
    public abstract string Kind { get; }
}

/// <summary>A dict in file order. Keys are text, integers, booleans or floats, equal as in Python (1 == 1.0 == True).</summary>
/// <param name="ordered">Whether it is a collections.OrderedDict.</param>
internal sealed class DictNode(bool ordered) : WeightNode
{
    // Made with the first entry: a hostile file may hold a million empty dicts.
    private List<KeyValuePair<WeightNode, WeightNode>>? _items;
    private Dictionary<object, int>? _places;

    public IReadOnlyList<KeyValuePair<WeightNode, WeightNode>> Items => _items ?? [];

    /// <summary>Whether it is a collections.OrderedDict, the only object that may be given attributes.</summary>
    public bool Ordered { get; } = ordered;

    public override string Kind => "a dict";

    /// <summary>Returns the value of a text key; null where there is none.</summary>
    /// <param name="key">The key.</param>
    public WeightNode? Find(string key) => _places is not null && _places.TryGetValue(key, out int place) ? _items![place].Value : null;

    /// <summary>Sets an entry as Python does: a known key keeps its place.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <returns>False where the key is not of a supported kind.</returns>
    public bool Set(WeightNode key, WeightNode value)
    {
        object? identity = key switch
        {
            StringNode text => text.Value,
            IntNode integer => integer.Value,
            BoolNode boolean => new BigInteger(boolean.Value ? 1 : 0),
            FloatNode { Value: var number } => double.IsFinite(number) && number == Math.Truncate(number)
                ? new BigInteger(number)
                : new FractionKey(number.ToString("R", CultureInfo.InvariantCulture)),
            _ => null,
        };
        if (identity is null)
        {
            return false;
        }

        _items ??= [];
        _places ??= [];
        if (_places.TryGetValue(identity, out int place))
        {
            _items[place] = new(_items[place].Key, value);
        }
        else
        {
            _places.Add(identity, _items.Count);
            _items.Add(new(key, value));
        }

        return true;
    }

    // Text hashes are seeded; those of doubles are not, and a file could hold many that collide.
    private readonly record struct FractionKey(string Text);
}

/// <summary>A list, a tuple or a torch.Size.</summary>
/// <param name="items">The items.</param>
/// <param name="tuple">Whether it is a tuple or a torch.Size.</param>
internal sealed class ListNode(List<WeightNode> items, bool tuple) : WeightNode
{
    public List<WeightNode> Items { get; } = items;

    public bool Tuple { get; } = tuple;

    public override string Kind => Tuple ? "a tuple" : "a list";
}

internal sealed class IntNode(BigInteger value) : WeightNode
{
    public BigInteger Value { get; } = value;

    public override string Kind => "an integer";
}

internal sealed class FloatNode(double value) : WeightNode
{
    public double Value { get; } = value;

    public override string Kind => "a float";
}

internal sealed class BoolNode(bool value) : WeightNode
{
    public bool Value { get; } = value;

    public override string Kind => "a bool";
}

internal sealed class StringNode(string value) : WeightNode
{
    public string Value { get; } = value;

    public override string Kind => "text";
}

internal sealed class NoneNode : WeightNode
{
    public override string Kind => "None";
}

/// <summary>A torch.dtype as a value.</summary>
/// <param name="name">PyTorch's name, without "torch.".</param>
internal sealed class DtypeNode(string name) : WeightNode
{
    public string Name { get; } = name;

    public override string Kind => "a dtype";
}

internal sealed class TensorNode(StoredTensor tensor) : WeightNode
{
    public StoredTensor Tensor { get; } = tensor;

    public override string Kind => "a tensor";
}
