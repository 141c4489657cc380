namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>Reads from an unpacking stream, up to the limit that its packed size allows (<see cref="UnpackedSize"/>).</summary>
/// <param name="unpacked">The unpacking stream; this stream owns it.</param>
/// <param name="packed">The size of the packed data in bytes.</param>
/// <param name="location">The file, for errors.</param>
internal sealed class UnpackedStream(Stream unpacked, long packed, string location) : Stream
{
    private long _read;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => _read; set => throw new NotSupportedException(); }

    /// <summary>Reads unpacked bytes.</summary>
    /// <param name="buffer">Where the bytes go.</param>
    /// <param name="offset">The index in <paramref name="buffer"/> of the first byte.</param>
    /// <param name="count">The most bytes to read.</param>
    /// <returns>The number of bytes read; 0 at the end.</returns>
    /// <exception cref="InvalidDataException">The stream yields more than the limit, or the data are damaged.</exception>
    public override int Read(byte[] buffer, int offset, int count)
    {
        int got = unpacked.Read(buffer, offset, count);
        _read += got;
        return UnpackedSize.FindProblem(packed, _read) is { } fault ? throw new InvalidDataException($"{location}: its {fault}.") : got;
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
