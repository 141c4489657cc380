namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Reads the fields of one protocol buffer message; a nested message is a field's <see cref="Bytes"/>.</summary>
/// <param name="message">The message.</param>
internal ref struct ProtoFields(ReadOnlyMemory<byte> message)
{
    private const int Varint = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5;

    private int _at;

    /// <summary>The field's number in the .proto file.</summary>
    public int Number { get; private set; }

    /// <summary>The value of a varint field.</summary>
    public long Value { get; private set; }

    /// <summary>The content of a text, a message or a number of fixed size.</summary>
    public ReadOnlyMemory<byte> Bytes { get; private set; }

    /// <summary>Moves to the next field; false at the end.</summary>
    /// <exception cref="InvalidDataException">The message ends inside a field, or is malformed.</exception>
    public bool Next()
    {
        if (_at == message.Length)
        {
            return false;
        }

        long key = ReadVarint();
        (Number, int form) = ((int)(key >> 3), (int)(key & 7));
        (Value, Bytes) = (0, default);
        switch (form)
        {
            case Varint:
                Value = ReadVarint();
                break;
            case Fixed64 or Fixed32:
                Bytes = ReadBytes(form == Fixed64 ? 8 : 4);
                break;
            case Delimited:
                Bytes = ReadBytes(ReadVarint());
                break;
            default:
                throw Fault();
        }

        return Number > 0 ? true : throw Fault();
    }

    private ReadOnlyMemory<byte> ReadBytes(long length)
    {
        if (length < 0 || length > message.Length - _at)
        {
            throw Fault();
        }

        ReadOnlyMemory<byte> bytes = message.Slice(_at, (int)length);
        _at += (int)length;
        return bytes;
    }

    private long ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64 && _at < message.Length; shift += 7)
        {
            byte part = message.Span[_at++];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
            {
                return (long)value;
            }
        }

        throw Fault();
    }

    private readonly InvalidDataException Fault() => new($"not a protocol buffer message, or a truncated one (byte {_at} of {message.Length}).");
}
