namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>What the opcodes of a pickle work on: a stack with marks, and the memo. Bounds how many objects there may be.</summary>
/// <param name="reader">The pickle, for errors.</param>
internal sealed class PickleStack(PickleReader reader)
{
    // Containers and values created, and memo entries.
    private const int MaxObjects = 1_000_000;

    // Made once: objects are counted a million times.
    private static readonly string s_tooManyObjects = $"more than {MaxObjects} objects";

    private readonly List<WeightNode> _items = [];
    private readonly Stack<int> _marks = new();
    private readonly Dictionary<uint, WeightNode> _memo = [];
    private int _objects;

    /// <summary>How many entries the memo has.</summary>
    public int Remembered => _memo.Count;

    /// <summary>The lowest index in reach: what lies below the last mark is not.</summary>
    private int Floor => _marks.TryPeek(out int mark) ? mark : 0;

    public void Mark()
    {
        _marks.Push(_items.Count);
        reader.Require(_marks.Count <= MaxObjects, "too many marks");
    }

    /// <summary>Pushes a node that exists already.</summary>
    /// <param name="node">The node.</param>
    public void Push(WeightNode node)
    {
        reader.Require(_items.Count < MaxObjects, "too many objects on the stack");
        _items.Add(node);
    }

    /// <summary>Counts and pushes a node that was created for this pickle.</summary>
    /// <param name="node">The node.</param>
    public void PushNew(WeightNode node)
    {
        Charge(1);
        Push(node);
    }

    /// <summary>Returns the node on top, which stays there.</summary>
    public WeightNode Peek()
    {
        reader.Require(_items.Count > Floor, "the stack is empty");
        return _items[^1];
    }

    public WeightNode Pop()
    {
        WeightNode node = Peek();
        _items.RemoveAt(_items.Count - 1);
        return node;
    }

    /// <summary>Pops a node, or the last mark where nothing lies above it.</summary>
    public void PopNodeOrMark()
    {
        if (_marks.TryPeek(out int top) && top == _items.Count)
        {
            _marks.Pop();
        }
        else
        {
            Pop();
        }
    }

    /// <summary>Pops several nodes, in the order in which they were pushed.</summary>
    /// <param name="count">How many.</param>
    public List<WeightNode> Pop(int count)
    {
        reader.Require(_items.Count - Floor >= count, "the stack is empty");
        return RemoveFrom(_items.Count - count);
    }

    /// <summary>Pops what lies above the last mark, and the mark.</summary>
    public List<WeightNode> PopToMark()
    {
        reader.Require(_marks.TryPop(out int mark), "there is no mark");
        return RemoveFrom(mark);
    }

    /// <summary>Adds to the dict on top.</summary>
    /// <param name="keysAndValues">Keys and values by turns.</param>
    public void SetItems(List<WeightNode> keysAndValues) =>
        Set(Peek() as DictNode ?? throw reader.Fault($"an entry for {Peek().Kind}, which is not a dict"), keysAndValues);

    /// <summary>Makes a dict of entries.</summary>
    /// <param name="keysAndValues">Keys and values by turns.</param>
    public void PushDict(List<WeightNode> keysAndValues)
    {
        var dict = new DictNode(ordered: false);
        Set(dict, keysAndValues);
        PushNew(dict);
    }

    /// <summary>Writes the node on top into the memo.</summary>
    /// <param name="place">The entry.</param>
    public void Remember(uint place)
    {
        _memo[place] = Peek();
        reader.Require(_memo.Count <= MaxObjects, "too many memo entries");
    }

    /// <summary>Pushes an entry of the memo.</summary>
    /// <param name="place">The entry.</param>
    public void Recall(uint place) =>
        Push(_memo.TryGetValue(place, out WeightNode? node) ? node : throw reader.Fault($"memo entry {place} was never written"));

    private List<WeightNode> RemoveFrom(int index)
    {
        List<WeightNode> items = _items.GetRange(index, _items.Count - index);
        _items.RemoveRange(index, items.Count);
        return items;
    }

    private void Set(DictNode dict, List<WeightNode> keysAndValues)
    {
        reader.Require(keysAndValues.Count % 2 == 0, "a key without a value");
        Charge(keysAndValues.Count + (dict.Items.Count == 0 ? 4 : 0));
        for (int i = 0; i < keysAndValues.Count; i += 2)
        {
            if (!dict.Set(keysAndValues[i], keysAndValues[i + 1]))
            {
                throw reader.Refused($"{keysAndValues[i].Kind} as the key of a dict; text, integers, booleans and floats may be keys");
            }
        }
    }

    private void Charge(int objects) => reader.Require((_objects += objects) <= MaxObjects, s_tooManyObjects);
}
