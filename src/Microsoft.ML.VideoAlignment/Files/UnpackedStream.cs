namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>What an unpacking stream gives, up to the most that its packed size allows (<see cref="UnpackedSize"/>).</summary>
/// <param name="unpacked">The unpacking stream, which this one owns.</param>
/// <param name="packed">The bytes that it unpacks.</param>
/// <param name="location">The file, for the error.</param>
internal sealed class UnpackedStream(Stream unpacked, long packed, string location) : Stream
{
    private long _read;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => _read; set => throw new NotSupportedException(); }

    /// <exception cref="InvalidDataException">More comes than may, or the data are damaged.</exception>
    public override int Read(byte[] buffer, int offset, int count)
    {
        int got = unpacked.Read(buffer, offset, count);
        _read += got;
        return UnpackedSize.Fault(packed, _read) is { } fault ? throw new InvalidDataException($"{location}: its {fault}.") : got;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            unpacked.Dispose();
        }

        base.Dispose(disposing);
    }
}
