using System.Globalization;
using System.Numerics;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Interprets the pickles that PyTorch writes, protocols 0 to 5, and builds containers, scalars and tensor views and nothing else.</summary>
/// <remarks>
/// Python's pickletools.py describes the opcodes. Globals come from a fixed list, and any other is refused as soon as it is named; no objects are created, and
/// time and memory are bounded by the length of the pickle and by the limits below.
/// </remarks>
internal sealed class RestrictedUnpickler
{
    /// <summary>The longest pickle in bytes; that of a checkpoint of 10,000 tensors with its optimizer takes a few MB.</summary>
    public const int MaxBytes = 16 << 20;

    // Opcodes of one pickle.
    private const int MaxSteps = 4_000_000;

    // Containers and values created, and memo entries.
    private const int MaxObjects = 1_000_000;

    private const int MaxDepth = 1000;

    /// <summary>How to turn a file that holds more than weights into one that does not; the end of an error text.</summary>
    public const string Remedy = "If you trust who made the file, write its weights alone in Python and pass that file here: "
        + "torch.save(torch.load(\"OLD\", map_location=\"cpu\", weights_only=False)[\"state_dict\"], \"NEW\") "
        + "(without [\"state_dict\"] where the weights are at the top)";

    // Made once: objects are counted a million times.
    private static readonly string s_tooManyObjects = $"more than {MaxObjects} objects";

    private static readonly BoolNode s_true = new(true);
    private static readonly BoolNode s_false = new(false);
    private static readonly NoneNode s_none = new();

    private readonly PickleReader _reader;
    private readonly TensorArguments _arguments;
    private readonly List<WeightNode> _stack = [];
    private readonly Stack<int> _marks = new();
    private readonly Dictionary<uint, WeightNode> _memo = [];
    private int _objects;

    private RestrictedUnpickler(PickleReader reader, bool legacy)
    {
        _reader = reader;
        _arguments = new TensorArguments(reader, legacy);
    }

    /// <summary>Reads the pickle that begins at <paramref name="position"/> and moves the position past it.</summary>
    /// <param name="bytes">The file or record.</param>
    /// <param name="position">The offset of the pickle; afterwards, the offset of its end.</param>
    /// <param name="location">The file, for errors.</param>
    /// <param name="what">The part of the file, for errors.</param>
    /// <param name="legacy">Whether storages are named as in files before PyTorch 1.6.</param>
    /// <param name="storages">Every storage that the pickle names, by key.</param>
    /// <exception cref="WeightFileException">The bytes are not such a pickle.</exception>
    public static WeightNode Read(
        byte[] bytes, ref int position, string location, string what, bool legacy, out IReadOnlyCollection<TorchStorage> storages)
    {
        var reader = new PickleReader(bytes, position, location, what);
        var unpickler = new RestrictedUnpickler(reader, legacy);
        WeightNode root = unpickler.Run();
        WeightTree.Check(root, MaxDepth, problem => throw unpickler.Refused(problem));
        position = reader.Position;
        storages = unpickler._arguments.Storages;
        return root;
    }

    private WeightNode Run()
    {
        for (int step = 0; step < MaxSteps; step++)
        {
            byte opcode = _reader.ReadByte();
            if (opcode == '.')
            {
                return Pop();
            }

            Step(opcode);
        }

        throw _reader.Fault($"more than {MaxSteps} operations");
    }

    private void Step(byte opcode)
    {
        switch (opcode)
        {
            case 0x80: // PROTO
                byte protocol = _reader.ReadByte();
                Require(protocol <= 5, $"pickle protocol {protocol}; 0 to 5 are supported");
                break;
            case 0x95: // FRAME: a hint for buffering
                ulong frame = _reader.ReadUInt64();
                Require(frame <= (ulong)_reader.Remaining, $"a frame of {frame} bytes, with {_reader.Remaining} left");
                break;
            case (byte)'(':
                _marks.Push(_stack.Count);
                Require(_marks.Count <= MaxObjects, "too many marks");
                break;
            case (byte)'0': // POP, which also takes back a mark
                if (_marks.TryPeek(out int top) && top == _stack.Count)
                {
                    _marks.Pop();
                }
                else
                {
                    Pop();
                }

                break;
            case (byte)'1':
                PopToMark();
                break;
            case (byte)'2':
                Push(Top());
                break;
            case (byte)'N':
                Push(s_none);
                break;
            case 0x88:
                Push(s_true);
                break;
            case 0x89:
                Push(s_false);
                break;
            case (byte)'I':
                string integer = _reader.ReadLine();
                Push(integer is "00" or "01" ? (integer == "01" ? s_true : s_false) : New(new IntNode(_reader.ParseInteger(integer))));
                break;
            case (byte)'L':
                PushInteger(_reader.ParseInteger(_reader.ReadLine().TrimEnd('L')));
                break;
            case (byte)'J':
                PushInteger(_reader.ReadInt32());
                break;
            case (byte)'K':
                PushInteger(_reader.ReadByte());
                break;
            case (byte)'M':
                PushInteger(_reader.ReadUInt16());
                break;
            case 0x8a: // LONG1
                PushLong(_reader.ReadByte());
                break;
            case 0x8b: // LONG4
                int length = _reader.ReadInt32();
                Require(length >= 0, "an integer of negative length");
                PushLong((ulong)length);
                break;
            case (byte)'F':
                string number = _reader.ReadLine();
                Require(double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed), "a float that is not a number");
                Push(New(new FloatNode(parsed)));
                break;
            case (byte)'G':
                Push(New(new FloatNode(_reader.ReadDouble())));
                break;
            case (byte)'S':
                Push(New(new StringNode(_reader.Unquote(_reader.ReadLine()))));
                break;
            case (byte)'T':
            case (byte)'X':
                Push(New(new StringNode(_reader.ReadText(_reader.ReadUInt32()))));
                break;
            case (byte)'U':
            case 0x8c:
                Push(New(new StringNode(_reader.ReadText(_reader.ReadByte()))));
                break;
            case (byte)'V':
                Push(New(new StringNode(_reader.Unescape(_reader.ReadLine()))));
                break;
            case 0x8d: // BINUNICODE8
                Push(New(new StringNode(_reader.ReadText(_reader.ReadUInt64()))));
                break;
            case (byte)']':
                Push(New(new ListNode([], tuple: false)));
                break;
            case (byte)'l':
                Push(New(new ListNode(PopToMark(), tuple: false)));
                break;
            case (byte)'a':
                WeightNode item = Pop();
                List().Add(item);
                break;
            case (byte)'e':
                List<WeightNode> items = PopToMark();
                List().AddRange(items);
                break;
            case (byte)')':
                Push(New(new ListNode([], tuple: true)));
                break;
            case (byte)'t':
                Push(New(new ListNode(PopToMark(), tuple: true)));
                break;
            case 0x85:
            case 0x86:
            case 0x87:
                Push(New(new ListNode(PopLast(opcode - 0x84), tuple: true)));
                break;
            case (byte)'}':
                Push(New(new DictNode(ordered: false)));
                break;
            case (byte)'d':
                List<WeightNode> entries = PopToMark();
                var dict = new DictNode(ordered: false);
                Set(dict, entries);
                Push(New(dict));
                break;
            case (byte)'s':
                List<WeightNode> entry = PopLast(2);
                Set(Dict(), entry);
                break;
            case (byte)'u':
                List<WeightNode> pairs = PopToMark();
                Set(Dict(), pairs);
                break;
            case (byte)'p':
                string place = _reader.ReadLine();
                Require(uint.TryParse(place, NumberStyles.None, CultureInfo.InvariantCulture, out uint named), "a memo entry that is not a number");
                Remember(named);
                break;
            case (byte)'q':
                Remember(_reader.ReadByte());
                break;
            case (byte)'r':
                Remember(_reader.ReadUInt32());
                break;
            case 0x94: // MEMOIZE
                Remember((uint)_memo.Count);
                break;
            case (byte)'g':
                string wanted = _reader.ReadLine();
                Require(uint.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out uint recalled), "a memo entry that is not a number");
                Recall(recalled);
                break;
            case (byte)'h':
                Recall(_reader.ReadByte());
                break;
            case (byte)'j':
                Recall(_reader.ReadUInt32());
                break;
            case (byte)'c':
                string module = _reader.ReadLine();
                Push(Global(module, _reader.ReadLine()));
                break;
            case 0x93: // STACK_GLOBAL
                List<WeightNode> names = PopLast(2);
                Push(names is [StringNode m, StringNode n] ? Global(m.Value, n.Value) : throw _reader.Fault("a global whose name is not text"));
                break;
            case (byte)'Q':
                Push(New(_arguments.Persistent(Pop())));
                break;
            case (byte)'R':
                List<WeightNode> call = PopLast(2);
                Push(call[0] is PickleGlobal { Call: not PickleCall.None } function
                    ? New(_arguments.Call(function, call[1]))
                    : throw Refused($"a call (REDUCE) of {call[0].Kind}; only OrderedDict, torch.Size and the rebuilding of tensors may be called"));
                break;
            case (byte)'b': // BUILD
                WeightNode state = Pop();
                if (Top() is not DictNode { Ordered: true } || state is not DictNode)
                {
                    throw Refused($"attributes (BUILD, with {state.Kind}) for {Top().Kind}; only an OrderedDict may have some");
                }

                break;
            default:
                throw Refused(Refusal(opcode));
        }
    }

    private static string Refusal(byte opcode) => (char)opcode switch
    {
        'i' or 'o' or '\u0081' or '\u0092' => "the creation of an object (INST, OBJ or NEWOBJ), which is refused",
        '\u0082' or '\u0083' or '\u0084' => "an entry of Python's extension registry (EXT), which is refused",
        'P' => "a persistent id as text, which PyTorch does not write",
        'B' or 'C' or '\u008e' or '\u0096' or '\u0097' or '\u0098' => "raw bytes, which are not weights",
        '\u008f' or '\u0090' or '\u0091' => "a set, which is not weights",
        _ => $"unknown opcode 0x{opcode:x2}",
    };

    private WeightNode Global(string module, string name) =>
        PickleGlobals.Find(module, name)
        ?? throw Refused($"the file names {Truncate(module)}.{Truncate(name)}, which is not among the few things weights are made of. "
            + "Unpickling it elsewhere could run code; ask for safetensors");

    // The file may be sound, but holds something that is not built here.
    private WeightFileException Refused(string problem) => _reader.Fault($"{problem}. {Remedy}");

    private static string Truncate(string name) => name.Length <= 80 ? name : name[..80] + "...";

    private void Push(WeightNode node)
    {
        Require(_stack.Count < MaxObjects, "too many objects on the stack");
        _stack.Add(node);
    }

    private T New<T>(T node)
    {
        Charge(1);
        return node;
    }

    private void Charge(int objects) => Require((_objects += objects) <= MaxObjects, s_tooManyObjects);

    private WeightNode Top()
    {
        Require(_stack.Count > Floor, "the stack is empty");
        return _stack[^1];
    }

    /// <summary>The lowest index in reach: what lies below the last mark is not.</summary>
    private int Floor => _marks.TryPeek(out int mark) ? mark : 0;

    private WeightNode Pop()
    {
        WeightNode node = Top();
        _stack.RemoveAt(_stack.Count - 1);
        return node;
    }

    private List<WeightNode> PopLast(int count)
    {
        Require(_stack.Count - Floor >= count, "the stack is empty");
        List<WeightNode> items = _stack.GetRange(_stack.Count - count, count);
        _stack.RemoveRange(_stack.Count - count, count);
        return items;
    }

    private List<WeightNode> PopToMark()
    {
        Require(_marks.TryPop(out int mark), "there is no mark");
        List<WeightNode> items = _stack.GetRange(mark, _stack.Count - mark);
        _stack.RemoveRange(mark, items.Count);
        return items;
    }

    private List<WeightNode> List() => Top() is ListNode { Tuple: false } list
        ? list.Items
        : throw _reader.Fault($"an element for {Top().Kind}, which is not a list");

    private DictNode Dict() => Top() as DictNode ?? throw _reader.Fault($"an entry for {Top().Kind}, which is not a dict");

    private void Set(DictNode dict, List<WeightNode> keysAndValues)
    {
        Require(keysAndValues.Count % 2 == 0, "a key without a value");
        Charge(keysAndValues.Count + (dict.Items.Count == 0 ? 4 : 0));
        for (int i = 0; i < keysAndValues.Count; i += 2)
        {
            if (!dict.Set(keysAndValues[i], keysAndValues[i + 1]))
            {
                throw Refused($"{keysAndValues[i].Kind} as the key of a dict; text, integers, booleans and floats may be keys");
            }
        }
    }

    private void Remember(uint place)
    {
        _memo[place] = Top();
        Require(_memo.Count <= MaxObjects, "too many memo entries");
    }

    private void Recall(uint place) =>
        Push(_memo.TryGetValue(place, out WeightNode? node) ? node : throw _reader.Fault($"memo entry {place} was never written"));

    private void PushInteger(BigInteger value) => Push(New(new IntNode(value)));

    private void PushLong(ulong length)
    {
        ReadOnlySpan<byte> bytes = _reader.ReadBytes(length);
        Require(length <= PickleReader.MaxIntegerBytes, $"an integer of {length} bytes");
        PushInteger(new BigInteger(bytes));
    }

    private void Require([System.Diagnostics.CodeAnalysis.DoesNotReturnIf(false)] bool condition, string problem)
    {
        if (!condition)
        {
            throw _reader.Fault(problem);
        }
    }
}
