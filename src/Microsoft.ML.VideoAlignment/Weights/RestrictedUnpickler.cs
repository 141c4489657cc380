using System.Globalization;
using System.Numerics;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Interprets the pickles that PyTorch writes, protocols 0 to 5, and builds containers, scalars and tensor views and nothing else.</summary>
/// <remarks>
/// Globals come from a fixed list, and any other is refused as soon as it is named; no objects are created, and time and memory are bounded by the length of
/// the pickle and by the limits here and in <see cref="PickleStack"/>.
/// </remarks>
internal sealed class RestrictedUnpickler
{
    /// <summary>The longest pickle in bytes; that of a checkpoint of 10,000 tensors with its optimizer takes a few MB.</summary>
    public const int MaxBytes = 16 << 20;

    // Opcodes of one pickle.
    private const int MaxSteps = 4_000_000;

    private const int MaxDepth = 1000;

    private static readonly BoolNode s_true = new(true);
    private static readonly BoolNode s_false = new(false);
    private static readonly NoneNode s_none = new();

    /// <summary>What each opcode does; one that is not here is refused.</summary>
    private static readonly Dictionary<PickleOpcode, Action<RestrictedUnpickler>> s_operations = new()
    {
        [PickleOpcode.Proto] = pickle => pickle.CheckProtocol(),
        [PickleOpcode.Frame] = pickle => pickle.CheckFrame(),

        [PickleOpcode.Mark] = pickle => pickle._stack.Mark(),
        [PickleOpcode.Pop] = pickle => pickle._stack.PopNodeOrMark(),
        [PickleOpcode.PopMark] = pickle => pickle._stack.PopToMark(),
        [PickleOpcode.Dup] = pickle => pickle._stack.Push(pickle._stack.Peek()),

        [PickleOpcode.None] = pickle => pickle._stack.Push(s_none),
        [PickleOpcode.NewTrue] = pickle => pickle._stack.Push(s_true),
        [PickleOpcode.NewFalse] = pickle => pickle._stack.Push(s_false),
        [PickleOpcode.Int] = pickle => pickle.ReadIntegerOrBoolean(),
        [PickleOpcode.Long] = pickle => pickle.PushInteger(pickle._reader.ParseInteger(pickle._reader.ReadLine().TrimEnd('L'))),
        [PickleOpcode.BinInt] = pickle => pickle.PushInteger(pickle._reader.ReadInt32()),
        [PickleOpcode.BinInt1] = pickle => pickle.PushInteger(pickle._reader.ReadByte()),
        [PickleOpcode.BinInt2] = pickle => pickle.PushInteger(pickle._reader.ReadUInt16()),
        [PickleOpcode.Long1] = pickle => pickle.ReadInteger(pickle._reader.ReadByte()),
        [PickleOpcode.Long4] = pickle => pickle.ReadInteger(pickle._reader.ReadInt32()),
        [PickleOpcode.Float] = pickle => pickle.PushFloat(pickle.ParseFloat(pickle._reader.ReadLine())),
        [PickleOpcode.BinFloat] = pickle => pickle.PushFloat(pickle._reader.ReadDouble()),

        [PickleOpcode.String] = pickle => pickle.PushText(pickle._reader.Unquote(pickle._reader.ReadLine())),
        [PickleOpcode.BinString] = pickle => pickle.PushText(pickle._reader.ReadText(pickle._reader.ReadUInt32())),
        [PickleOpcode.ShortBinString] = pickle => pickle.PushText(pickle._reader.ReadText(pickle._reader.ReadByte())),
        [PickleOpcode.Unicode] = pickle => pickle.PushText(pickle._reader.Unescape(pickle._reader.ReadLine())),
        [PickleOpcode.ShortBinUnicode] = pickle => pickle.PushText(pickle._reader.ReadText(pickle._reader.ReadByte())),
        [PickleOpcode.BinUnicode] = pickle => pickle.PushText(pickle._reader.ReadText(pickle._reader.ReadUInt32())),
        [PickleOpcode.BinUnicode8] = pickle => pickle.PushText(pickle._reader.ReadText(pickle._reader.ReadUInt64())),

        [PickleOpcode.EmptyList] = pickle => pickle.PushList([]),
        [PickleOpcode.List] = pickle => pickle.PushList(pickle._stack.PopToMark()),
        [PickleOpcode.Append] = pickle => pickle.Append(pickle._stack.Pop()),
        [PickleOpcode.Appends] = pickle => pickle.Append(pickle._stack.PopToMark()),
        [PickleOpcode.EmptyTuple] = pickle => pickle.PushTuple([]),
        [PickleOpcode.Tuple] = pickle => pickle.PushTuple(pickle._stack.PopToMark()),
        [PickleOpcode.Tuple1] = pickle => pickle.PushTuple(pickle._stack.Pop(1)),
        [PickleOpcode.Tuple2] = pickle => pickle.PushTuple(pickle._stack.Pop(2)),
        [PickleOpcode.Tuple3] = pickle => pickle.PushTuple(pickle._stack.Pop(3)),
        [PickleOpcode.EmptyDict] = pickle => pickle._stack.PushNew(new DictNode(ordered: false)),
        [PickleOpcode.Dict] = pickle => pickle._stack.PushDict(pickle._stack.PopToMark()),
        [PickleOpcode.SetItem] = pickle => pickle._stack.SetItems(pickle._stack.Pop(2)),
        [PickleOpcode.SetItems] = pickle => pickle._stack.SetItems(pickle._stack.PopToMark()),

        [PickleOpcode.Put] = pickle => pickle._stack.Remember(pickle.ParsePlace(pickle._reader.ReadLine())),
        [PickleOpcode.BinPut] = pickle => pickle._stack.Remember(pickle._reader.ReadByte()),
        [PickleOpcode.LongBinPut] = pickle => pickle._stack.Remember(pickle._reader.ReadUInt32()),
        [PickleOpcode.Memoize] = pickle => pickle._stack.Remember((uint)pickle._stack.Remembered),
        [PickleOpcode.Get] = pickle => pickle._stack.Recall(pickle.ParsePlace(pickle._reader.ReadLine())),
        [PickleOpcode.BinGet] = pickle => pickle._stack.Recall(pickle._reader.ReadByte()),
        [PickleOpcode.LongBinGet] = pickle => pickle._stack.Recall(pickle._reader.ReadUInt32()),

        [PickleOpcode.Global] = pickle => pickle.PushGlobal(module: pickle._reader.ReadLine(), name: pickle._reader.ReadLine()),
        [PickleOpcode.StackGlobal] = pickle => pickle.PushGlobal(pickle._stack.Pop(2)),
        [PickleOpcode.BinPersId] = pickle => pickle._stack.PushNew(pickle._arguments.Persistent(pickle._stack.Pop())),
        [PickleOpcode.Reduce] = pickle => pickle.Call(pickle._stack.Pop(2)),
        [PickleOpcode.Build] = pickle => pickle.CheckAttributes(pickle._stack.Pop()),
    };

    private readonly PickleReader _reader;
    private readonly PickleStack _stack;
    private readonly TensorArguments _arguments;

    private RestrictedUnpickler(PickleReader reader, bool legacy)
    {
        _reader = reader;
        _stack = new PickleStack(reader);
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
        WeightTree.Check(root, MaxDepth, problem => throw reader.Refused(problem));
        position = reader.Position;
        storages = unpickler._arguments.Storages;
        return root;
    }

    private WeightNode Run()
    {
        for (int step = 0; step < MaxSteps; step++)
        {
            var opcode = (PickleOpcode)_reader.ReadByte();
            if (opcode == PickleOpcode.Stop)
            {
                return _stack.Pop();
            }

            if (!s_operations.TryGetValue(opcode, out Action<RestrictedUnpickler>? operation))
            {
                throw _reader.Refused(Refusal(opcode));
            }

            operation(this);
        }

        throw _reader.Fault($"more than {MaxSteps} operations");
    }

    private static string Refusal(PickleOpcode opcode) => opcode switch
    {
        PickleOpcode.Inst or PickleOpcode.Obj or PickleOpcode.NewObj or PickleOpcode.NewObjEx =>
            "the creation of an object (INST, OBJ or NEWOBJ), which is refused",
        PickleOpcode.Ext1 or PickleOpcode.Ext2 or PickleOpcode.Ext4 => "an entry of Python's extension registry (EXT), which is refused",
        PickleOpcode.PersId => "a persistent id as text, which PyTorch does not write",
        PickleOpcode.BinBytes or PickleOpcode.ShortBinBytes or PickleOpcode.BinBytes8 or PickleOpcode.ByteArray8 or PickleOpcode.NextBuffer
            or PickleOpcode.ReadOnlyBuffer => "raw bytes, which are not weights",
        PickleOpcode.EmptySet or PickleOpcode.AddItems or PickleOpcode.FrozenSet => "a set, which is not weights",
        _ => $"unknown opcode 0x{(byte)opcode:x2}",
    };

    private void CheckProtocol()
    {
        byte protocol = _reader.ReadByte();
        _reader.Require(protocol <= 5, $"pickle protocol {protocol}; 0 to 5 are supported");
    }

    // A frame is a hint for buffering.
    private void CheckFrame()
    {
        ulong frame = _reader.ReadUInt64();
        _reader.Require(frame <= (ulong)_reader.Remaining, $"a frame of {frame} bytes, with {_reader.Remaining} left");
    }

    private void PushInteger(BigInteger value) => _stack.PushNew(new IntNode(value));

    private void PushFloat(double value) => _stack.PushNew(new FloatNode(value));

    private void PushText(string value) => _stack.PushNew(new StringNode(value));

    private void PushList(List<WeightNode> items) => _stack.PushNew(new ListNode(items, tuple: false));

    private void PushTuple(List<WeightNode> items) => _stack.PushNew(new ListNode(items, tuple: true));

    private void ReadIntegerOrBoolean()
    {
        string text = _reader.ReadLine();
        if (text is "00" or "01")
        {
            _stack.Push(text == "01" ? s_true : s_false);
        }
        else
        {
            PushInteger(_reader.ParseInteger(text));
        }
    }

    private void ReadInteger(int length)
    {
        _reader.Require(length >= 0, "an integer of negative length");
        ReadOnlySpan<byte> bytes = _reader.ReadBytes((ulong)length);
        _reader.Require(length <= PickleReader.MaxIntegerBytes, $"an integer of {length} bytes");
        PushInteger(new BigInteger(bytes));
    }

    private double ParseFloat(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : throw _reader.Fault("a float that is not a number");

    private uint ParsePlace(string text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint place)
            ? place
            : throw _reader.Fault("a memo entry that is not a number");

    private List<WeightNode> List() => _stack.Peek() is ListNode { Tuple: false } list
        ? list.Items
        : throw _reader.Fault($"an element for {_stack.Peek().Kind}, which is not a list");

    private void Append(WeightNode item) => List().Add(item);

    private void Append(List<WeightNode> items) => List().AddRange(items);

    private void PushGlobal(List<WeightNode> names)
    {
        if (names is not [StringNode module, StringNode name])
        {
            throw _reader.Fault("a global whose name is not text");
        }

        PushGlobal(module.Value, name.Value);
    }

    private void PushGlobal(string module, string name) =>
        _stack.Push(PickleGlobals.Find(module, name)
            ?? throw _reader.Refused($"the file names {Truncate(module)}.{Truncate(name)}, which is not among the few things weights are made of. "
                + "Unpickling it elsewhere could run code; ask for safetensors"));

    private void Call(List<WeightNode> call) =>
        _stack.PushNew(call[0] is PickleGlobal { Call: not PickleCall.None } function
            ? _arguments.Call(function, call[1])
            : throw _reader.Refused($"a call (REDUCE) of {call[0].Kind}; only OrderedDict, torch.Size and the rebuilding of tensors may be called"));

    // Attributes are read over: an OrderedDict of weights has some, which hold no weights.
    private void CheckAttributes(WeightNode state)
    {
        if (_stack.Peek() is not DictNode { Ordered: true } || state is not DictNode)
        {
            throw _reader.Refused($"attributes (BUILD, with {state.Kind}) for {_stack.Peek().Kind}; only an OrderedDict may have some");
        }
    }

    private static string Truncate(string name) => name.Length <= 80 ? name : name[..80] + "...";
}
